package seen

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// apply puts the jobs, in order, into the transaction.
func (s *Store) apply(tx *bolt.Tx, jobs []*job, records map[string]ruleRecord, lastNum uint64) error {
	rules, outbox := tx.Bucket([]byte(bucketRules)), tx.Bucket([]byte(bucketOutbox))
	if rules == nil || outbox == nil {
		return fmt.Errorf("%w: a bucket is gone", ErrCorrupt)
	}
	outbox.FillPercent = 1
	for id := range records {
		if err := putRule(tx, rules, id, records[id]); err != nil {
			return err
		}
	}
	if len(records) > 0 && rules.Sequence() < lastNum {
		if err := rules.SetSequence(lastNum); err != nil {
			return err
		}
	}
	tuples := tupleWriter{tx: tx, rules: make(map[uint32]*ruleWriter)}
	for _, j := range jobs {
		if err := tuples.write(j.batch); err != nil {
			return err
		}
		for i := range j.batch.alerts {
			a := &j.batch.alerts[i]
			k := alertKey(a.ID)
			if err := outbox.Put(k[:], appendAlert(nil, a)); err != nil {
				return err
			}
			if outbox.Sequence() < a.ID {
				if err := outbox.SetSequence(a.ID); err != nil {
					return err
				}
			}
		}
		for _, id := range j.batch.acks {
			k := alertKey(id)
			if err := outbox.Delete(k[:]); err != nil {
				return err
			}
		}
		for _, num := range j.drop {
			err := tx.DeleteBucket([]byte(tupleBucketName(num)))
			if err != nil && !errors.Is(err, bolt.ErrBucketNotFound) {
				return err
			}
			delete(tuples.rules, num)
		}
		for i := range j.settle {
			if err := settleTuples(tx, &j.settle[i]); err != nil {
				return err
			}
		}
	}
	return tuples.close()
}

func putRule(tx *bolt.Tx, rules *bolt.Bucket, id string, r ruleRecord) error {
	v, err := encodeRule(id, &r)
	if err != nil {
		return err
	}
	if err := rules.Put([]byte(id), v); err != nil {
		return err
	}
	name := []byte(tupleBucketName(r.Num))
	if tx.Bucket(name) != nil {
		return nil
	}
	b, err := tx.CreateBucket(name)
	if err != nil {
		return err
	}
	label, err := encodeRule(keyRule, r.label())
	if err != nil {
		return err
	}
	return b.Put([]byte(keyRule), label)
}

// tupleWriter writes tuples to the buckets of their rules.
type tupleWriter struct {
	tx    *bolt.Tx
	rules map[uint32]*ruleWriter
}

type ruleWriter struct {
	*packWriter
	last uint64 // the highest number of a new tuple
}

// write writes a batch, what belongs to one pack together.
func (w *tupleWriter) write(batch *Batch) error {
	ops := batch.ops
	inOrder := func(a, b tupleOp) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.seq, b.seq))
	}
	if !slices.IsSortedFunc(ops, inOrder) {
		slices.SortStableFunc(ops, inOrder) // of one tuple the last op counts
	}
	var r *ruleWriter
	for i := range ops {
		op := &ops[i]
		if i == 0 || op.rule != ops[i-1].rule {
			r = w.rule(op.rule)
		}
		if r == nil {
			continue // a rule that is gone: nobody misses its tuples
		}
		var err error
		if op.n == 0 {
			err = r.del(op.seq)
		} else {
			err = r.put(op.seq, batch.entry(op))
		}
		if err != nil {
			return err
		}
		if op.fresh {
			r.last = max(r.last, op.seq)
		}
	}
	return w.flush()
}

// rule returns the writer of a rule, nil if there is no such rule.
func (w *tupleWriter) rule(num uint32) *ruleWriter {
	r, ok := w.rules[num]
	if !ok {
		if b := w.tx.Bucket([]byte(tupleBucketName(num))); b != nil {
			r = &ruleWriter{packWriter: newPackWriter(b, num)}
		}
		w.rules[num] = r
	}
	return r
}

func (w *tupleWriter) flush() error {
	for _, r := range w.rules {
		if r != nil {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// close notes the highest sequence numbers, so that none is given out twice.
func (w *tupleWriter) close() error {
	for _, r := range w.rules {
		if r != nil && r.b.Sequence() < r.last {
			if err := r.b.SetSequence(r.last); err != nil {
				return err
			}
		}
	}
	return nil
}
