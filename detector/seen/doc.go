// Package seen is the seen-set: it knows which tuples of terms a rule has met
// inside its window, in memory and on disk, and keeps the alerts that are not
// delivered yet beside them, in the same file and the same transaction.
//
// # Memory
//
// A Memory belongs to one rule. A tuple is in it as a keyed 96-bit hash with
// its sightings, in LRU lists by last sighting (simplelru); its terms are on
// disk only. A million tuples take 148 MB; after a start, before they are seen
// again, 45 MB. The key of the hash is drawn by each
// process, so that nobody can prepare collisions.
//
// A tuple is known if its last sighting is at most a window before the new one.
// Records may come late: one that is older than the last sighting never makes a
// known tuple new, and can move the first sighting back. Tuples out of the
// window are kept for as long again, so that an alert can say when its tuple
// was last seen, and are then forgotten a few at a time.
//
// A full memory has to forget somebody. Plain LRU would let one noisy source
// drive everybody else out; each of them would then alert again. So there are
// segments:
//
//	probation   tuples seen on one occasion
//	protected   tuples seen again at least a refresh grain later; at most 4/5
//	floods      a segment for each group that brings in a thousandth of the
//	            memory in new tuples, a group being what the tuples of a source
//	            have in common: any part of their terms, such as the user
//
// A new tuple of a flood takes the place of the flood's own oldest tuple, once
// the flood has brought in more than its group had at the start. Any other takes, in this order, that of a tuple out of its window, of the oldest
// on probation, of the largest flood's oldest, of the oldest protected. What
// this never does is to drop a sighting: every new tuple is reported as new,
// whether or not there is room to remember it, so a flood cannot blind the
// detector. What a flood can do is to be reported again, which is what limits
// and suppression are for. Sources are counted in a sketch of fixed size.
//
// # The file
//
// A state folder holds
//
//	state.db            the state, mode 0600
//	state.db.new        a state file being made; never read, removed at start
//	state.db.WHY-WHEN   a state file that could not be used, moved aside
//	lock                locked (flock) while a process uses the folder; its pid
//
// state.db is a bbolt file with pages of 4096 bytes and these top-level buckets:
//
//	"newterms"   "format" → F "newterms" version(2)
//	"rules"      rule ID  → R JSON: number, fingerprint, name, fields, metadata
//	             sequence: the highest rule number ever given out
//	"t" num(4)   "\x00"           → R JSON: whose bucket this is
//	             num(4) base(6)   → T pack: (seq-base length first(8) last(8) count(4) terms…)…
//	             sequence: the highest seq ever given out
//	"outbox"     id(8)            → O severity(1) time(8) rule tag body…
//	             sequence: the highest id ever given out
//
// Keys are big-endian, so that they sort by number; numbers in values are
// little-endian; rule and tag have a uvarint length before them, and seq-base and
// length are uvarints; times are unix milliseconds. Every value begins with a
// CRC-32C (4, little-endian) of the kind, the key and the rest, in the order key,
// kind, rest; then comes the kind, the letter shown. Terms are as AppendTerm
// writes them.
//
// What must not change: the layout above up to and including the version, for
// every version to come; the rest as long as the version is 1. A version that
// changes it must count up, so that older ones leave the file alone. JSON may
// get new keys.
//
// Tuples are numbered in the order in which they were first seen, so that new
// ones are appended to the last page of the tree. Up to 16 of them are in one
// value, a pack, of at most 990 bytes if it is more than one: writing and reading
// are then a few times as fast. The pack's key is the number that it was begun
// with; it holds the tuples from there up to the next pack's key, in order, and
// is deleted with the last of them. A refresh writes a tuple in place, at most
// once in a refresh grain.
//
// # Durability
//
// Commit returns nil once a batch is durable. Callers at the same time share a
// transaction and its syncs. Whatever fails, the batch stays queued in memory,
// folded so that it is bounded by what the memories hold, and a goroutine tries
// again, with the file closed, examined and opened anew. A state file that was
// removed meanwhile is made anew from the descriptor; one that was cut or
// replaced is moved aside and started anew, with the rules and the undelivered
// alerts, which are in memory whole, and the tuples committed from then on.
//
// A file is walked page by page and every checksum is checked before bbolt gets
// to see it (see examine), since bbolt answers damage with panics, and a mapped
// file that was cut with a SIGBUS. If anything is wrong, what is whole is copied
// to a new file, and the old one is kept beside it; a single flipped bit in a pack
// is put right. So it goes, once, with a file that looks whole and that bbolt
// cannot write to all the same. Before every transaction the
// file's size and identity are checked. At the start the tuples are hashed in
// the same walk, and kept for the rules until they come for them (see gathered).
package seen
