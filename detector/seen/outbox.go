package seen

import "slices"

// outbox is the undelivered alerts, oldest first. They are in memory whole:
// delivery never waits for the disk. When it is full, the least severe alert
// is dropped, and of those the oldest.
type outbox struct {
	entries    []OutboxEntry // by ID; acknowledged ones have no ID until compacted
	live       int
	bytes      int64
	nextID     uint64
	dropped    uint64
	severity   [256]int // how many live entries have it
	maxEntries int
	maxBytes   int64
}

// load takes over what is on disk.
func (o *outbox) load(entries []OutboxEntry, lastID uint64) {
	slices.SortFunc(entries, func(a, b OutboxEntry) int {
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	for _, e := range entries {
		o.append(e)
		lastID = max(lastID, e.ID)
	}
	o.nextID = max(o.nextID, lastID)
}

func (o *outbox) append(e OutboxEntry) {
	o.entries = append(o.entries, e)
	o.live++
	o.bytes += e.size()
	o.severity[e.Severity]++
}

// add gives e an ID and keeps it. It returns the IDs of the entries that were
// dropped to stay inside the bounds, which may be e itself.
func (o *outbox) add(e *OutboxEntry) (dropped []uint64) {
	o.nextID++
	e.ID = o.nextID
	o.append(*e)
	for o.live > o.maxEntries || o.bytes > o.maxBytes && o.live > 0 {
		least := 0
		for o.severity[least] == 0 {
			least++
		}
		i := slices.IndexFunc(o.entries, func(e OutboxEntry) bool {
			return e.ID != 0 && int(e.Severity) == least
		})
		dropped = append(dropped, o.entries[i].ID)
		o.dropped++
		o.removeAt(i)
	}
	return dropped
}

// remove forgets the entry id; false if it is not there.
func (o *outbox) remove(id uint64) bool {
	i, ok := o.find(id)
	if ok {
		o.removeAt(i)
	}
	return ok
}

// find returns the place of id. Removed entries keep their place, and their
// order by way of their neighbours, until the next compaction.
func (o *outbox) find(id uint64) (int, bool) {
	lo, hi := 0, len(o.entries)
	for lo < hi {
		mid := (lo + hi) / 2
		at := mid
		for at < hi && o.entries[at].ID == 0 {
			at++
		}
		switch {
		case at == hi:
			hi = mid
		case o.entries[at].ID < id:
			lo = at + 1
		case o.entries[at].ID == id:
			return at, true
		default:
			hi = mid
		}
	}
	return 0, false
}

func (o *outbox) removeAt(i int) {
	e := &o.entries[i]
	o.live--
	o.bytes -= e.size()
	o.severity[e.Severity]--
	*e = OutboxEntry{}
	if len(o.entries) > 2*o.live+16 {
		o.entries = slices.DeleteFunc(o.entries, func(e OutboxEntry) bool { return e.ID == 0 })
	}
}

// after appends up to n entries with IDs above id to dst.
func (o *outbox) after(id uint64, n int, dst []OutboxEntry) []OutboxEntry {
	for i := range o.entries {
		if n == 0 {
			break
		}
		if e := &o.entries[i]; e.ID > id {
			dst = append(dst, *e)
			n--
		}
	}
	return dst
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

// Held returns the IDs of the undelivered alerts.
func (s *Store) Held() map[uint64]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(map[uint64]bool, s.outbox.live)
	for i := range s.outbox.entries {
		if id := s.outbox.entries[i].ID; id != 0 {
			held[id] = true
		}
	}
	return held
}
