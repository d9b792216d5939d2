package seen

// job is one batch on its way to the disk, with what the store adds to it.
type job struct {
	gen   uint64
	batch *Batch
	rules []string // records to write
	drop  []uint32 // rules that are forgotten
}

// queue is the jobs that are not on disk, in order. What is in flight is being
// written. It is merged as it grows, so that what is owed to a dead disk is
// bounded by what is in memory.
type queue struct {
	jobs   []*job
	flight []*job
	ops    int // tuples in jobs
	merged int // ops when it was last merged
}

func (q *queue) add(j *job) {
	q.jobs = append(q.jobs, j)
	q.ops += len(j.batch.ops)
	// Merging waits until the queue has doubled, which keeps the cost of each
	// job constant.
	if len(q.jobs) > 64 && (q.ops >= max(2*q.merged, 4096) || len(q.jobs) > 1024) {
		q.jobs = []*job{merge(q.jobs)}
		q.ops = len(q.jobs[0].batch.ops)
		q.merged = q.ops
	}
}

// take puts all jobs in flight and returns them.
func (q *queue) take() []*job {
	q.flight, q.jobs, q.ops, q.merged = q.jobs, nil, 0, 0
	return q.flight
}

// back puts what was in flight in front again.
func (q *queue) back() {
	for _, j := range q.flight {
		q.ops += len(j.batch.ops)
	}
	q.jobs, q.flight = append(q.flight, q.jobs...), nil
}

// each calls yield with every job, the oldest first.
func (q *queue) each(yield func(*job) bool) {
	for _, jobs := range [][]*job{q.flight, q.jobs} {
		for _, j := range jobs {
			if !yield(j) {
				return
			}
		}
	}
}

// owed returns how much is not on disk.
func (q *queue) owed() (tuples, alerts int, bytes int64) {
	for j := range q.each {
		tuples += len(j.batch.ops)
		alerts += len(j.batch.alerts)
		bytes += int64(len(j.batch.arena) + len(j.batch.ops)*tupleOverhead)
		for i := range j.batch.alerts {
			bytes += j.batch.alerts[i].size()
		}
	}
	return tuples, alerts, bytes
}

// merge makes one job of many: of each tuple the last sighting counts, and a
// tuple that came and went meanwhile counts not at all.
func merge(jobs []*job) *job {
	type key struct {
		rule uint32
		seq  uint64
	}
	sum := &job{gen: jobs[len(jobs)-1].gen, batch: &Batch{}}
	out := sum.batch
	place := make(map[key]int)
	alerts := make(map[uint64]int)
	rules := make(map[string]bool)
	for _, j := range jobs {
		b := j.batch
		for i := range b.ops {
			op := b.ops[i]
			at, have := place[key{op.rule, op.seq}]
			switch {
			case !have:
				place[key{op.rule, op.seq}] = len(out.ops)
				if op.kind == opNew {
					op.off = len(out.arena)
					out.arena = append(out.arena, b.terms(&b.ops[i])...)
				}
				out.ops = append(out.ops, op)
			case op.kind == opSighting:
				out.ops[at].s = op.s // of a new tuple, or of one on disk
			case out.ops[at].kind == opNew:
				out.ops[at].kind = opNothing
			default:
				out.ops[at] = op
			}
		}
		for _, a := range b.alerts {
			if at, again := alerts[a.ID]; again {
				out.alerts[at] = a // shortened
				continue
			}
			alerts[a.ID] = len(out.alerts)
			out.alerts = append(out.alerts, a)
		}
		for _, id := range b.acks {
			at, ok := alerts[id]
			if !ok || out.alerts[at].again {
				out.acks = append(out.acks, id) // it is on disk
			}
			if ok {
				out.alerts[at] = OutboxEntry{} // left out below
			}
		}
		for _, id := range j.rules {
			if !rules[id] {
				rules[id] = true
				sum.rules = append(sum.rules, id)
			}
		}
		sum.drop = append(sum.drop, j.drop...)
	}
	// Tuples that came and went are still in the arena; so once more, tightly.
	tight := &Batch{acks: out.acks}
	for i := range out.ops {
		switch op := &out.ops[i]; op.kind {
		case opNothing:
		case opNew:
			tight.add(op.rule, op.seq, op.s, out.terms(op))
		default:
			tight.ops = append(tight.ops, *op)
		}
	}
	for _, a := range out.alerts {
		if a.ID != 0 {
			tight.alerts = append(tight.alerts, a)
		}
	}
	sum.batch = tight
	return sum
}
