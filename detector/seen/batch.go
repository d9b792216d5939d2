package seen

// Batch is what one flush has to write: tuples, alerts, acknowledgements and
// rule metadata, which reach the disk together or not at all. The zero Batch is
// empty and ready. It is not safe for concurrent use. Handing it to a store
// empties it, so that it can be filled again at once.
type Batch struct {
	// GivenUp, if not nil, is called by Enqueue for each alert that the full
	// outbox gives up for alerts of this batch, and whose tuple the store
	// forgets: see the outbox. It must not call the store.
	GivenUp func(OutboxEntry)

	ops    []tupleOp
	arena  []byte // the terms of ops
	alerts []OutboxEntry
	acks   []uint64
	metas  []metaOp

	firstID uint64
	ids     int
}

// tupleOp writes a tuple, a sighting of one, or forgets one.
type tupleOp struct {
	seq  uint64
	s    Sighting
	off  int // the terms of a new tuple are arena[off:off+n]
	n    uint32
	rule uint32
	kind opKind
}

type opKind uint8

const (
	opNew      opKind = iota
	opSighting        // a later, or an earlier, sighting
	opForget          // n is the size of the terms
	opNothing         // it came to nothing
)

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
	*b = Batch{GivenUp: b.GivenUp, ops: b.ops[:0], arena: b.arena[:0]}
}

// AlertIDs returns the IDs that the alerts of b got when it was handed to the
// store: the first of them and how many, consecutive in the order of AddAlert.
// It holds until b is filled and handed over again.
func (b *Batch) AlertIDs() (first uint64, n int) { return b.firstID, b.ids }

// add adds a new tuple.
func (b *Batch) add(rule uint32, seq uint64, s Sighting, terms []byte) {
	b.ops = append(b.ops, tupleOp{
		seq: seq, s: s, off: len(b.arena), n: uint32(len(terms)), rule: rule, kind: opNew,
	})
	b.arena = append(b.arena, terms...)
}

// see adds a sighting of a tuple that is on disk, or on its way there.
func (b *Batch) see(rule uint32, seq uint64, s Sighting) {
	b.ops = append(b.ops, tupleOp{seq: seq, s: s, rule: rule, kind: opSighting})
}

// forget adds the removal of a tuple whose terms take size bytes.
func (b *Batch) forget(rule uint32, seq uint64, size int) {
	b.ops = append(b.ops, tupleOp{seq: seq, n: uint32(size), rule: rule, kind: opForget})
}

// terms returns the terms of a new tuple.
func (b *Batch) terms(op *tupleOp) []byte { return b.arena[op.off : op.off+int(op.n)] }

// take moves what is in b to a new Batch and leaves b empty, with the memory of
// spare, which may be nil.
func (b *Batch) take(spare *Batch) *Batch {
	t := *b
	*b = Batch{GivenUp: b.GivenUp}
	if spare != nil {
		b.ops, b.arena = spare.ops[:0], spare.arena[:0]
	}
	return &t
}

// maxSpare bounds the memory that is kept for the next batch, in bytes of
// terms.
const maxSpare = 1 << 20
