package seen

import (
	"maps"
	"slices"
)

// The outbox holds the alerts that are not delivered yet, in memory and in the
// journal. It is bounded in number and bytes. What has to go is chosen by noisy
// group and size, and never by age:
//
//  1. Over the bound in bytes, documents are shortened first: an entry that
//     carries a Short gets it as its Body, largest group first.
//  2. What is still over is given up, from the largest group first: of its
//     least severe entries the largest, and of several the latest. An entry
//     without a group is a group of its own.
//
// A tuple whose alert is given up must not stay known, or nobody would ever be
// told of it. Enqueue writes a forget record for it in the same batch, and calls
// the batch's GivenUp for each, so that the caller forgets it in memory too.
//
// What the engine does:
//
//	e.batch.GivenUp = func(a seen.OutboxEntry) {   // once; Enqueue calls it, under the caller's lock
//		if r := e.live[a.Rule]; r != nil && a.Terms != nil {
//			r.memory.Forget(a.Terms, a.Seq)
//		}
//	}
//	out := memory.Observe(terms, sighting, &e.batch)
//	e.batch.AddAlert(seen.OutboxEntry{
//		Rule: id, Num: state.Num, Seq: out.Seq, Terms: terms,   // whose alert it is; Seq 0 for a summary
//		Group: out.Group,                                       // Observe names the noisy group, 0 for none
//		Body:  document, Short: shortened,                      // Short nil if the document is short
//		…})
//	ticket := store.Enqueue(&e.batch)
//
// Delivery reads the body of an alert when it sends it (Store.Alert), so that
// what was shortened or given up meanwhile holds no memory.

// OutboxEntry is one alert that waits to be delivered.
type OutboxEntry struct {
	// ID is assigned when the batch that holds the alert is handed to the
	// store. IDs only ever grow, so they order the outbox.
	ID       uint64
	Rule     string
	Severity uint8
	Time     int64 // unix ms
	Tag      string
	Body     []byte // the encoded alert; the store keeps the slice, so do not change it
	Short    []byte // what Body becomes if the outbox is over its bound; may be nil

	// Group is the noisy group that the tuple belongs to, 0 for none.
	Group uint64
	// Num, Seq and Terms name the tuple that is forgotten if the alert is given
	// up: the rule's number, Outcome.Seq, and the terms as AppendTerm writes
	// them. Without Seq nothing is.
	Num   uint32
	Seq   uint64
	Terms []byte

	again bool // it is in the journal already, longer
}

// size is what an entry counts for against the outbox's bound in bytes.
func (e *OutboxEntry) size() int64 {
	return int64(len(e.Body)+len(e.Short)+len(e.Terms)+len(e.Rule)+len(e.Tag)) + outboxOverhead
}

// outboxOverhead stands for an entry's fixed part, in memory and on disk.
const outboxOverhead = 64

// group returns the entry's group; an entry without one is alone in its own.
func (e *OutboxEntry) group() uint64 {
	if e.Group == 0 {
		return ^e.ID
	}
	return e.Group
}

// outbox is the undelivered alerts. They are in memory whole: delivery never
// waits for the disk.
type outbox struct {
	entries    map[uint64]*OutboxEntry
	order      []uint64 // IDs, ascending; some may be gone
	groups     map[uint64]*groupUse
	bytes      int64
	nextID     uint64
	dropped    uint64
	shortened  uint64
	maxEntries int
	maxBytes   int64
}

// groupUse is what a group takes of the outbox.
type groupUse struct {
	n     int
	bytes int64
}

// changes are what adding an alert did to others.
type changes struct {
	shortened map[uint64]bool
	givenUp   []OutboxEntry
}

func newOutbox(maxEntries int, maxBytes int64) outbox {
	return outbox{
		entries: make(map[uint64]*OutboxEntry), groups: make(map[uint64]*groupUse),
		maxEntries: maxEntries, maxBytes: maxBytes,
	}
}

// load takes over what is on disk. entries are by ID.
func (o *outbox) load(entries []OutboxEntry, lastID uint64) {
	for i := range entries {
		o.put(&entries[i])
		lastID = max(lastID, entries[i].ID)
	}
	o.nextID = max(o.nextID, lastID)
}

func (o *outbox) put(e *OutboxEntry) {
	o.entries[e.ID] = e
	o.order = append(o.order, e.ID)
	o.use(e, 1)
}

// use counts an entry in, or with n of -1 out.
func (o *outbox) use(e *OutboxEntry, n int) {
	g := o.groups[e.group()]
	if g == nil {
		g = &groupUse{}
		o.groups[e.group()] = g
	}
	g.n += n
	g.bytes += int64(n) * e.size()
	o.bytes += int64(n) * e.size()
	if g.n == 0 {
		delete(o.groups, e.group())
	}
}

// add gives e an ID and keeps it, unless the outbox is full of what is of more
// use.
func (o *outbox) add(e OutboxEntry, ch *changes) {
	o.nextID++
	e.ID = o.nextID
	o.put(&e)
	for o.bytes > o.maxBytes && o.shorten(ch) {
	}
	for len(o.entries) > 0 && (len(o.entries) > o.maxEntries || o.bytes > o.maxBytes) {
		e := o.leastUseful()
		o.remove(e.ID)
		o.dropped++
		delete(ch.shortened, e.ID)
		ch.givenUp = append(ch.givenUp, *e)
	}
}

// shorten shortens one entry: of the group that takes most bytes the one that
// gains most. It returns false if none can be shortened.
func (o *outbox) shorten(ch *changes) bool {
	gain := func(e *OutboxEntry) int { return len(e.Body) }
	var best *OutboxEntry
	for _, e := range o.entries {
		if e.Short == nil {
			continue
		}
		if best == nil {
			best = e
			continue
		}
		a, b := o.groups[e.group()].bytes, o.groups[best.group()].bytes
		if a > b || a == b && (gain(e) > gain(best) || gain(e) == gain(best) && e.ID > best.ID) {
			best = e
		}
	}
	if best == nil {
		return false
	}
	o.use(best, -1)
	short := *best // others may have a copy of the entry, but none of the pointer
	short.Body, short.Short, short.again = best.Short, nil, true
	o.entries[short.ID] = &short
	o.use(&short, 1)
	o.shortened++
	ch.shortened[short.ID] = true
	return true
}

// leastUseful returns the entry to give up next.
func (o *outbox) leastUseful() (worst *OutboxEntry) {
	weight := func(e *OutboxEntry) int64 {
		g := o.groups[e.group()]
		if o.bytes > o.maxBytes {
			return g.bytes
		}
		return int64(g.n)
	}
	for _, e := range o.entries {
		if worst == nil {
			worst = e
			continue
		}
		a, b := weight(e), weight(worst)
		switch {
		case a != b:
			if a < b {
				continue
			}
		case e.Severity != worst.Severity:
			if e.Severity > worst.Severity {
				continue
			}
		case e.size() != worst.size():
			if e.size() < worst.size() {
				continue
			}
		case e.ID < worst.ID:
			continue
		}
		worst = e
	}
	return worst
}

// remove forgets an entry that has left.
func (o *outbox) remove(id uint64) {
	e := o.entries[id]
	if e == nil {
		return
	}
	o.use(e, -1)
	delete(o.entries, id)
	if len(o.order) > 2*len(o.entries)+16 {
		o.order = slices.DeleteFunc(o.order, func(id uint64) bool { return o.entries[id] == nil })
	}
}

// after appends up to n entries with IDs above id to dst, in order.
func (o *outbox) after(id uint64, n int, dst []OutboxEntry) []OutboxEntry {
	from, _ := slices.BinarySearch(o.order, id+1)
	for _, id := range o.order[from:] {
		if n == 0 {
			break
		}
		if e := o.entries[id]; e != nil {
			dst = append(dst, *e)
			n--
		}
	}
	return dst
}

// admit gives the alerts of a batch their IDs and keeps them. What others have
// to be shortened or given up for them becomes part of the batch.
func (o *outbox) admit(b *Batch) {
	if len(b.alerts) == 0 {
		return
	}
	ch := changes{shortened: make(map[uint64]bool)}
	b.firstID, b.ids = o.nextID+1, len(b.alerts)
	for i := range b.alerts {
		o.add(b.alerts[i], &ch)
	}
	// What is written is what is left of them: nothing of those that were given
	// up at once, and the short form of those that were shortened.
	b.alerts = b.alerts[:0:0]
	for id := b.firstID; id <= o.nextID; id++ {
		if e := o.entries[id]; e != nil {
			fresh := *e
			fresh.again = false
			b.alerts = append(b.alerts, fresh)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ch.shortened)) {
		if id < b.firstID {
			b.alerts = append(b.alerts, *o.entries[id])
		}
	}
	for _, e := range ch.givenUp {
		if e.ID < b.firstID {
			b.acks = append(b.acks, e.ID)
		}
		if e.Seq != 0 {
			b.forget(e.Num, e.Seq, len(e.Terms))
		}
		if b.GivenUp != nil {
			b.GivenUp(e)
		}
	}
}

// Outbox calls fn with every undelivered alert, oldest first, until fn returns
// an error. fn may use the store.
func (s *Store) Outbox(fn func(OutboxEntry) error) error {
	var last uint64
	var buf []OutboxEntry
	for {
		if buf = s.Undelivered(last, 256, buf[:0]); len(buf) == 0 {
			return nil
		}
		for _, e := range buf {
			if err := fn(e); err != nil {
				return err
			}
			last = e.ID
		}
	}
}

// Undelivered appends up to n undelivered alerts with IDs above after to dst,
// oldest first. The bodies are shared: do not change them.
func (s *Store) Undelivered(after uint64, n int, dst []OutboxEntry) []OutboxEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outbox.after(after, n, dst)
}

// Alert returns an undelivered alert as it is now; false if it was delivered or
// given up.
func (s *Store) Alert(id uint64) (OutboxEntry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.outbox.entries[id]; e != nil {
		return *e, true
	}
	return OutboxEntry{}, false
}

// Held returns the IDs of the undelivered alerts.
func (s *Store) Held() map[uint64]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(map[uint64]bool, len(s.outbox.entries))
	for id := range s.outbox.entries {
		held[id] = true
	}
	return held
}
