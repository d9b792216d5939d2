package seen

// foldQueue merges the queue into one job once it is long, so that what is owed
// to a dead disk is bounded by what is in memory: of each tuple the last write
// counts, and a tuple that came and went meanwhile counts not at all. Merging
// waits until the queue has doubled, which keeps the cost of each job constant.
func (s *Store) foldQueue() {
	const jobs, ops = 64, 4096
	if len(s.queue) <= jobs || s.queued < max(2*len(s.queue[0].batch.ops), ops) && len(s.queue) <= jobs*16 {
		return
	}
	type key struct {
		rule uint32
		seq  uint64
	}
	sum := &job{gen: s.queue[len(s.queue)-1].gen, batch: &Batch{}}
	place := make(map[key]int)
	rules := make(map[string]bool)
	alerts := make(map[uint64]int)
	out := sum.batch
	for _, j := range s.queue {
		b := j.batch
		for i := range b.ops {
			op := b.ops[i]
			k := key{op.rule, op.seq}
			at, again := place[k]
			if !again {
				at = len(out.ops)
				place[k] = at
				out.ops = append(out.ops, tupleOp{})
			} else {
				op.fresh = out.ops[at].fresh
			}
			if op.n > 0 {
				v := b.entry(&op)
				op.off = uint32(len(out.arena))
				out.arena = append(out.arena, v...)
			}
			out.ops[at] = op
		}
		for _, a := range b.alerts {
			alerts[a.ID] = len(out.alerts)
			out.alerts = append(out.alerts, a)
		}
		for _, id := range b.acks {
			if i, ok := alerts[id]; ok {
				out.alerts[i] = OutboxEntry{} // dropped below
			}
		}
		out.acks = append(out.acks, b.acks...)
		for _, id := range j.rules {
			if !rules[id] {
				rules[id] = true
				sum.rules = append(sum.rules, id)
			}
		}
		sum.drop = append(sum.drop, j.drop...)
		sum.settle = append(sum.settle, j.settle...)
	}
	// What was rewritten several times is in the arena several times, and a
	// tuple that never was on disk needs no deletion; so once more, tightly.
	tight := &Batch{acks: out.acks}
	for i := range out.ops {
		op := out.ops[i]
		if op.n == 0 && op.fresh {
			continue
		}
		if op.n > 0 {
			v := out.entry(&op)
			op.off = uint32(len(tight.arena))
			tight.arena = append(tight.arena, v...)
		}
		tight.ops = append(tight.ops, op)
	}
	for _, a := range out.alerts {
		if a.ID != 0 {
			tight.alerts = append(tight.alerts, a)
		}
	}
	sum.batch = tight
	s.queue, s.queued = []*job{sum}, len(tight.ops)
}
