// Package seen is the seen-set. It knows which combinations of terms, here
// called tuples, a rule has met inside its window, in memory and on disk. It
// keeps the alerts that are not delivered yet (the outbox) beside them, in the
// same file and the same batches.
//
// # Memory
//
// A Memory belongs to one rule. A tuple is in it as a keyed 96-bit hash with its
// sightings, in LRU lists by last sighting (simplelru). Its terms are on disk
// only. A million tuples take 134 MB. The key of the hash is drawn by each
// process, so that nobody can prepare collisions.
//
// A tuple is known if its last sighting is at most a window before the new one.
// Records may come late: one that is older than the last sighting never makes a
// known tuple new, and can move the first sighting back. Tuples out of the
// window are kept for as long again, so that an alert can say when its tuple was
// last seen. They are then forgotten a few at a time.
//
// A memory is bounded in tuples and in the bytes that they take on disk. A full
// memory has to forget a tuple. Plain LRU would let one noisy source drive all
// others out, and each of them would then alert again. So there are segments:
//
//	probation     tuples seen on one occasion
//	protected     tuples seen again at least a refresh grain later; at most 4/5
//	noisy groups  a segment for each group that brings in a thousandth of the
//	              memory in new tuples. A group is what the tuples of a source
//	              have in common: any part of their terms, such as the user.
//
// A new tuple of a noisy group takes the place of the group's own oldest tuple,
// once the group holds more than it had at the start. Any other tuple takes, in
// this order, the place of a tuple out of its window, of the oldest on
// probation, of the oldest of the largest noisy group, of the oldest protected.
// A sighting is never dropped: every new tuple is reported as new, whether or not
// there is room to remember it, so a flood cannot blind the detector. What a
// flood can do is be reported again; limits and suppression are for that.
// Sources are counted in a summary of fixed size (heavyHitters).
//
// # The state folder
//
//	journal           the state, mode 0600
//	journal.new       a journal being made; never read, removed at start
//	journal.WHY-WHEN  a journal that could not be used, moved aside
//	lock              locked (flock) while a process uses the folder; its pid
//
// A state.db of version 1 is moved aside and not read.
//
// # The journal
//
// The journal is an append-only log in the format of LevelDB's, behind a header:
//
//	header    64 bytes: "newterms journal" format(4) length(1) version(35) sum(4)
//	block     32 KiB, the header being part of the first: fragment… room
//	fragment  sum(4) length(2) kind(1) bytes
//	group     flags(1) number before record…
//	record    type(1) length body
//
// A sum is a CRC-32C of what it follows in the header, and of what follows it in
// a fragment. Fixed numbers are little-endian, others uvarints. A fragment is in
// one block; the room at the end of a block is zero. A group is the payload of
// one fragment (kind 1), or of several (2 the first, 3 between, 4 the last),
// which follow each other.
//
// A flush appends one batch: groups of which the last has flag 1. number is that
// of the group's first record in the journal, counted from 0, and before is how
// many records its batch has before it. So a reader can tell which records are
// missing, and whether a batch is complete.
//
//	R  rule: JSON: number, fingerprint, name, fields, metadata
//	E  rule: bytes that the user of the rule keeps
//	C  combination: rule sequence last (last-first) count terms…
//	S  sighting: rule sequence last (last-first) count
//	F  forget: rule sequence
//	D  drop: rule, with all its tuples
//	A  alert: id severity(1) time rule sequence group(8) rule ID, tag, terms, short, body…
//	K  acknowledge: id
//	N  counters: the highest rule number and alert ID ever given out
//
// Times are unix milliseconds (an alert's is a signed varint). Texts inside a
// body have a length before them. Terms are as AppendTerm writes them. Tuples
// are numbered per rule, in the order in which they were first seen. A later
// record of a rule, a sighting or an alert replaces an earlier one.
//
// What must not change: the header, for every version to come; the rest as long
// as the format is 2. A version that changes it must count up, so that older
// ones leave the file alone. JSON may get new keys.
//
// # Durability
//
// Commit returns nil once a batch is durable: after one write and one fdatasync,
// which callers at the same time share. Whatever fails, the batch stays queued in
// memory, merged so that it is bounded by what the memories hold, and a goroutine
// tries again. Full says when the queue has reached its bound.
//
// After a write or sync that failed, the kernel may take pages for clean that
// never reached the disk. So the descriptor is not used again, and what is known
// to be on disk and what is owed go to a new journal: journal.new is written,
// synced and renamed, and the folder is synced. Only a write that finds no room
// is repeated in place, since a full disk has none for a second journal. A
// journal that was removed, cut or replaced, also with its folder, is made anew
// in the same way, from the descriptor and from the rules and alerts, which are
// in memory whole.
//
// A journal over a few MiB of which more than half is dead is compacted in the
// same way.
//
// # Damage
//
// At the start, and whenever a journal is made anew, it is read whole. A batch
// at the end that merely breaks off is what a crash left, and is cut off: nobody
// was told that it is durable. Anything else that is missing or does not match
// its sum is damage. It costs the records of its block, which are counted. What
// is whole goes to a new journal, and the damaged one is kept aside. A rule's
// record is in two blocks, because its tuples are of no use without it.
//
// A reader needs no lock. It reads the complete batches of the file that it
// opened, which only grows.
package seen
