// Package remote is the memory that nodes share: a Redis or Valkey server that
// knows which tuples any of them has seen. Of all nodes that see a new tuple,
// one alerts.
//
// # Where it stands
//
// Each node keeps its own memory (package seen) in front, so a tuple that the
// node knows costs no round trip. Those of a chunk that it does not know go to
// the server in one pipeline, before the decision and outside of any lock. In
// the steady state there are next to none; what remains is a heartbeat, and a
// refresh for each tuple in use once a grain.
//
// # Claim and mark
//
//	absent ──claim──▶ claimed by A ──mark──▶ seen
//	   ▲                  │  ▲                 │ ▲
//	   │   claim expires  │  └─A claims again  │ └─ mark (refresh), claim by anyone
//	   ├──────────────────┘                    │    inside the window: it is known
//	   └───────────────────────────────────────┘
//	                   window passed
//
// A node claims a tuple that it does not know. If the claim is its own, it
// commits tuple and alert to its disk, and then marks the tuple as seen. A node
// that dies in between leaves a claim that expires, after a minute, and no
// alert is lost with it: any other node that saw the tuple meanwhile found it
// claimed by another, made an alert of its own, put it on its own disk and held
// it back. It asks again until the tuple is marked (its alert is struck off) or
// the claim is gone (it claims, and the alert leaves).
//
// A node that holds back an alert knows the tuple, and must not mark it: neither
// when it sees it again nor when it sends all that it knows.
//
// A claimed tuple that has been seen before but longer ago than the window is
// treated likewise; the claim's answer has its last sighting.
//
// # Time
//
// The window is counted in the events' own times, first and last sighting being
// part of the value; so late records find what they should. The server's expiry
// serves to bound its memory: a tuple lives for the window and two grains from
// its last write. A node refreshes a tuple on its first sighting in each grain:
// a 256th of the window, at least a minute and at most an hour. The last
// sighting on the server may be old by as much, so the window counts as one
// grain longer there.
//
// # Keys
//
//	<prefix>epoch            a random text: a server without it, or with another,
//	                         has lost its memory
//	<prefix>rule:<rule>      hash: id, fingerprint, since (unix ms of the rule's
//	                         first match anywhere), done (a baseline was made)
//	<prefix><rule>:<tuple>   kind(1) first(6) last(6) count(4) owner(8, claims)
//	<prefix><rule>:term:<t>  nothing: it is there if a term by itself is in a
//	                         tuple that was seen; of rules with several fields
//
// The prefix is "newterms:" unless the URL says otherwise. <rule> is 6
// characters that stand for a rule's ID and fingerprint, so that a rule whose
// query changed starts anew, and <tuple> 22, base64url of the first 16 bytes of
// a SHA-256 over ID, fingerprint and terms; the terms themselves do not leave
// the node. In the value, kind is "C" for claimed and "S" for seen; numbers are
// big-endian, times unix milliseconds. Each command touches one key, so that a
// Cluster can hold it anywhere.
//
// # The server's memory
//
// A tuple takes 177 bytes of a Redis 7.0, so a million take 177 MB: measured
// with INFO, all of the server's tables in it (TestMemory); MEMORY USAGE says
// 120 of one key. How many there are is bounded by what the nodes see within
// the window, not by max_terms, which bounds the memory of each node. Keys without traffic expire; epoch and rules stay. A
// server with maxmemory should have the policy noeviction (it refuses new tuples
// when full: nodes then decide by themselves, and say so) or volatile-lru (it
// forgets the tuples least recently used, which may alert again).
// volatile-ttl would forget claims first, and allkeys policies the epoch, on
// which all nodes would send what they know again.
//
// # The server is away
//
// A command that takes longer than the time-out (250 ms, URL parameter timeout)
// or fails opens the circuit: until a probe in the background succeeds, every
// claim is answered at once with Down, and the node decides by itself. Other
// nodes may alert on the same tuple; the alert says so, and its uuid is the
// same. What was decided meanwhile is queued, equal tuples in one place, and
// marked when the server is back; with it the marks of the last minute, which a
// failover may have lost. If the queue overflows, or the epoch has changed, the
// node sends all that it knows. For half a minute after a change of epoch,
// claims are answered with Doubt: other nodes may not have sent theirs.
package remote
