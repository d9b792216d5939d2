package seen

// OutboxEntry is one alert that waits to be delivered.
type OutboxEntry struct {
	// ID is assigned when the batch that holds the alert is handed to the
	// store. IDs only ever grow, so they order the outbox.
	ID       uint64
	Rule     string
	Severity uint8 // when the outbox is full, the least severe are dropped first
	Time     int64 // unix ms
	Tag      string
	Body     []byte // the encoded alert; the store keeps the slice, so do not change it
}

// size is what an entry counts for against the outbox's bound in bytes.
func (e *OutboxEntry) size() int64 {
	return int64(len(e.Body)+len(e.Rule)+len(e.Tag)) + outboxOverhead
}

// outboxOverhead stands for an entry's fixed part, in memory and on disk.
const outboxOverhead = 64

// Batch is what one flush has to write: tuples, alerts, acknowledgements and
// rule metadata, all in one transaction. The zero Batch is empty and ready. It
// is not safe for concurrent use; handing it to a store empties it, so that it
// can be filled again at once.
type Batch struct {
	ops    []tupleOp
	arena  []byte // the entries of ops, as they go to disk
	alerts []OutboxEntry
	acks   []uint64
	metas  []metaOp

	firstID uint64
	ids     int
}

// tupleOp writes a tuple's entry, or deletes the tuple if n is 0.
type tupleOp struct {
	seq    uint64
	off, n uint32 // the entry is arena[off:off+n]
	rule   uint32
	fresh  bool // the tuple is on no disk before this op
}

// metaOp writes a rule's record.
type metaOp struct {
	rule uint32
	meta RuleMeta
}

// AddAlert adds an alert to the outbox. Its ID is assigned later: see AlertIDs.
func (b *Batch) AddAlert(a OutboxEntry) { b.alerts = append(b.alerts, a) }

// Ack removes delivered alerts from the outbox.
func (b *Batch) Ack(ids ...uint64) { b.acks = append(b.acks, ids...) }

// SetMeta replaces what the store keeps about the rule numbered rule.
func (b *Batch) SetMeta(rule uint32, m RuleMeta) {
	b.metas = append(b.metas, metaOp{rule, m})
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.ops) == 0 && len(b.alerts) == 0 && len(b.acks) == 0 && len(b.metas) == 0
}

// Reset forgets what is in b and keeps its memory.
func (b *Batch) Reset() {
	*b = Batch{ops: b.ops[:0], arena: b.arena[:0]}
}

// AlertIDs returns the IDs that the alerts of b got when it was handed to the
// store: the first of them and how many, consecutive in the order of AddAlert.
// It holds until b is filled and handed over again.
func (b *Batch) AlertIDs() (first uint64, n int) { return b.firstID, b.ids }

// put adds a tuple's entry.
func (b *Batch) put(rule uint32, seq uint64, s Sighting, terms []byte, fresh bool) {
	off := len(b.arena)
	b.arena = appendEntry(b.arena, s, terms)
	b.ops = append(b.ops, tupleOp{
		seq: seq, off: uint32(off), n: uint32(len(b.arena) - off), rule: rule, fresh: fresh,
	})
}

// del adds the deletion of a tuple.
func (b *Batch) del(rule uint32, seq uint64) {
	b.ops = append(b.ops, tupleOp{seq: seq, rule: rule})
}

// entry returns what op writes.
func (b *Batch) entry(op *tupleOp) entry { return b.arena[op.off : op.off+op.n : op.off+op.n] }

// take moves what is in b to a new Batch and leaves b empty, with the memory of
// spare, which may be nil.
func (b *Batch) take(spare *Batch) *Batch {
	t := *b
	*b = Batch{}
	if spare != nil {
		b.ops, b.arena = spare.ops[:0], spare.arena[:0]
	}
	return &t
}

// maxSpare bounds the memory that is kept for the next batch, in bytes of
// entries.
const maxSpare = 1 << 20
