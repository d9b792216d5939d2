package detector

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/detector/seen/remote"
	"fluent-bit-newterms/detector/telemetry"
)

// storeProperties say whether a memory is this node's alone.
var storeProperties = []property{
	{"state_store", func(c *Config, s string) (err error) {
		switch {
		case strings.EqualFold(s, "bolt"):
			c.Shared = nil
		case remote.IsURL(s):
			c.Shared, err = remote.ParseURL(s)
		default:
			// Not the value: it may be a URL with a typing error and a password.
			err = errors.New("the value is not allowed; bolt (the default: a file in state_path), or beside that file a Redis or Valkey that nodes share, as a URL that begins with redis://, rediss://, redis+sentinel:// or redis+cluster://")
		}
		return err
	}},
}

// openShared opens the shared store, if there is one. It needs no answer of it.
func (d *Detector) openShared() error {
	if d.config.Shared == nil {
		return nil
	}
	var err error
	d.shared, err = remote.Open(d.config.Shared, remote.Options{
		Known: d.known,
		Logf:  func(format string, args ...any) { d.host.Log(LevelWarn, fmt.Sprintf(format, args...)) },

		Panicked: d.log.Panicked,
	})
	if err != nil {
		return fmt.Errorf("property state_store: %w", err)
	}
	return nil
}

// startShared begins to work with the shared store, now that the rules run. It
// waits for its first answer, for a time-out at most.
func (d *Detector) startShared() {
	if d.shared == nil {
		return
	}
	d.shared.Start()
	d.engine.Peers().CompareLearning()
	d.workers.Go(func() {
		for !d.runSharing() {
			time.Sleep(time.Second)
		}
	})
	d.host.Log(LevelInfo, fmt.Sprintf("memory shared with other nodes in %s", d.shared))
}

// runSharing works with the shared store until the detector closes. After a
// panic there is more to do.
func (d *Detector) runSharing() (ended bool) {
	defer d.log.Recover("the work with the shared store")
	d.engine.Peers().Run(d.stop)
	return true
}

// closeShared lets go of the shared store.
func (d *Detector) closeShared() {
	if d.shared != nil {
		_ = d.shared.Close()
	}
}

// known gives yield the tuples that are on this node's disk and inside their
// windows, as seen from the rule's latest sighting, less those that an alert is
// held back on.
func (d *Detector) known(yield func(r *remote.Rule, terms []byte, s seen.Sighting) bool) error {
	snap, _, err := seen.Inspect(d.config.StatePath)
	if err != nil {
		return err
	}
	defer snap.Close()
	return d.engine.Peers().Known(snap, yield)
}

// shareMetrics registers the metrics of the shared store.
func (d *Detector) shareMetrics(t *telemetry.Totals) {
	s := d.shared
	if s == nil {
		return
	}
	c := d.engine.Counts()
	t.Counter("store_round_trips_total", "Pipelines sent to the shared store.", func() uint64 { return s.Stats().RoundTrips })
	t.Counter("store_errors_total", "Pipelines to the shared store that failed or timed out.", func() uint64 { return s.Stats().Errors })
	t.Counter("store_claims_total", "Tuples that the shared store was asked about.", func() uint64 { return s.Stats().Claims })
	t.Counter("store_marks_total", "Tuples marked as seen in the shared store, or refreshed there.", func() uint64 { return s.Stats().Marks })
	t.Counter("known_elsewhere_total", "Tuples new to this node that other nodes knew.", c.KnownElsewhere.Load)
	t.Counter("alerted_elsewhere_total", "Alerts held back for the claim of another node, which alerted.", c.AlertedElsewhere.Load)
	t.Counter("local_alerts_total", "Alerts without the word of the shared store; another node may have raised them too.", c.Alone.Load)
	t.Gauge("store_up", "1 if the shared store answered last.", func() float64 {
		if s.Stats().Up {
			return 1
		}
		return 0
	})
	t.Gauge("store_queued_tuples", "Tuples that wait to be marked in the shared store.", func() float64 { return float64(s.Stats().Queued) })
	t.Gauge("held_alerts", "Alerts held back for the claim of another node.", func() float64 { return float64(d.engine.Peers().Held()) })
}
