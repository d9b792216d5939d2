package seen

import (
	"errors"
	"fmt"

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
	tuples := tupleWriter{tx: tx, buckets: make(map[uint32]*bolt.Bucket)}
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
			delete(tuples.buckets, num)
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
	tx      *bolt.Tx
	buckets map[uint32]*bolt.Bucket
	last    map[uint32]uint64
}

func (w *tupleWriter) write(batch *Batch) error {
	var b *bolt.Bucket
	var rule uint32
	for i := range batch.ops {
		op := &batch.ops[i]
		if b == nil || op.rule != rule {
			var ok bool
			rule = op.rule
			if b, ok = w.buckets[rule]; !ok {
				if b = w.tx.Bucket([]byte(tupleBucketName(rule))); b != nil {
					b.FillPercent = 1 // new tuples are appended: fill the pages
				}
				w.buckets[rule] = b
			}
		}
		if b == nil {
			continue // a rule that is gone: nobody misses its tuples
		}
		k := tupleKey(rule, op.seq)
		var err error
		if op.n == 0 {
			err = b.Delete(k[:])
		} else {
			err = b.Put(k[:], batch.value(op))
		}
		if err != nil {
			return err
		}
		if op.fresh {
			if w.last == nil {
				w.last = make(map[uint32]uint64)
			}
			w.last[rule] = max(w.last[rule], op.seq)
		}
	}
	return nil
}

// close notes the highest sequence numbers, so that none is given out twice.
func (w *tupleWriter) close() error {
	for rule, seq := range w.last {
		if b := w.buckets[rule]; b != nil && b.Sequence() < seq {
			if err := b.SetSequence(seq); err != nil {
				return err
			}
		}
	}
	return nil
}
