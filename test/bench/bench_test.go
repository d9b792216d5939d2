package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/record"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // paths are the command's
		panic(err)
	}
	os.Exit(m.Run())
}

// BenchmarkPass is what make bench-compare compares between two revisions:
// nanoseconds a record, all tuples known.
func BenchmarkPass(b *testing.B) {
	l, err := readLog(auditLog)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		rules   ruleChoice
		options mapping.Options
		chunks  [][]byte
	}{
		{"seed", rulesSeed, mapping.Options{}, l.chunks},
		{"nine", rulesNine, mapping.Options{}, l.chunks},
		{"all", rulesAll, mapping.Options{}, l.chunks},
		{"seed,ecs", rulesSeed, mapping.Options{}, l.ecs},
		{"all,ecs", rulesAll, mapping.Options{}, l.ecs},
		{"seed,text", rulesSeed, mapping.Options{LogKey: "log"}, l.texts},
	} {
		b.Run(c.name, func(b *testing.B) {
			run, check, err := knownTo(c.rules, c.options, c.chunks)
			var missing errMissing
			if errors.As(err, &missing) {
				b.Skip(err)
			}
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				for i := range c.chunks {
					run(i)
				}
				n += len(l.lines)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
			if err := check(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// The records measured with hold the events that the log has, in its order.
func TestRecordsAreTheLog(t *testing.T) {
	l, err := readLog(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	for name, chunks := range map[string][][]byte{"raw": l.chunks, "ecs": l.ecs, "text": l.texts} {
		o := mapping.Options{}
		if name == "text" {
			o.LogKey = "log"
		}
		plan := mapping.NewPlan(o)
		id, _ := plan.Field("kubernetes.audit.auditID")
		c := &collector{field: id}
		r := plan.NewReader()
		for _, chunk := range chunks {
			if len(chunk) > chunkSize+1<<20 {
				t.Errorf("%s: a chunk of %d bytes", name, len(chunk))
			}
			if err := r.Chunk(chunk, c); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.ids) != len(l.lines) {
			t.Fatalf("%s: %d events, want %d", name, len(c.ids), len(l.lines))
		}
		for i, id := range c.ids {
			if id == "" || !strings.Contains(string(l.lines[i]), id) {
				t.Fatalf("%s: event %d has the auditID %q, in the log it is %s", name, i, id, l.lines[i])
			}
		}
	}
}

// collector takes one field of every event.
type collector struct {
	field record.Field
	ids   []string
}

func (c *collector) Event(ev *mapping.Event) {
	id := ""
	if i := ev.View.Head(c.field); i != 0 {
		id = strings.Clone(ev.View.At(i).Str)
	}
	c.ids = append(c.ids, id)
}

// Tuples made by number differ, and have the size that they are said to have.
func TestTuplesDiffer(t *testing.T) {
	rules, err := rulesSeed.load()
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(rules, mapping.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := feed(e, tuples(0, 7000)); err != nil {
		t.Fatal(err)
	}
	if err := feed(e, tuples(7000, 3000)); err != nil {
		t.Fatal(err)
	}
	if e.Known() != 10_000 {
		t.Errorf("%d tuples known, want 10000", e.Known())
	}
}

func TestPlotIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.svg")
	p := plot{title: "a < b", x: "x", y: "y", logX: true, lines: []series{{"one", []point{{1, 10}, {1000, 2000.5}}}}}
	if err := p.write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a &lt; b", "2,000", "</svg>"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the plot lacks %q", want)
		}
	}
	if strings.Contains(string(text), "NaN") || strings.Contains(string(text), "Inf") {
		t.Error("the plot has a place that is no number")
	}
}

func TestStep(t *testing.T) {
	for _, span := range []float64{0.3, 1, 7, 99, 1234, 5e6} {
		s := step(span)
		if n := span / s; n < 2 || n > 6 || !slices.Contains([]float64{1, 2, 5}, math.Round(s/math.Pow(10, math.Floor(math.Log10(s)+1e-9)))) {
			t.Errorf("a range of %v has steps of %v", span, s)
		}
	}
}
