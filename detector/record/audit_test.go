package record

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"testing"
)

// auditLines returns the events of a real API server, one a line.
func auditLines(tb testing.TB, path string) [][]byte {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		tb.Skipf("%s is not here", path)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReader(z))
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(all), []byte("\n"))
}

const auditFile = "testdata/audit.jsonl.gz"

func treeOf(tb testing.TB, line []byte) object {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	tree, ok := parseJSON(d).(object)
	if !ok {
		tb.Fatalf("not an object: %s", line)
	}
	return tree
}

// seedWanted wants what the seed rule and the mapping ask of a record.
func seedWanted() *wanted {
	w := &wanted{layout: NewLayout()}
	for _, u := range [][]string{{"annotations"}, {"labels"}, {"kubernetes", "audit", "annotations"}, {"kubernetes", "audit", "labels"}} {
		w.underscores = append(w.underscores, u)
		w.layout.Underscore(u...)
	}
	const decision = "authorization_k8s_io/decision"
	for _, p := range []struct {
		how  int
		path []string
	}{
		{1, []string{"stage"}}, {1, []string{"user", "username"}}, {1, []string{"userAgent"}},
		{1, []string{"annotations", decision}},
		{1, []string{"auditID"}}, {1, []string{"kind"}}, {1, []string{"apiVersion"}},
		{4, []string{"items"}}, {5, []string{"properties", "log"}},
		{1, []string{"kubernetes", "audit", "stage"}}, {1, []string{"kubernetes", "audit", "auditID"}},
		{1, []string{"kubernetes", "audit", "user", "username"}},
		{1, []string{"kubernetes", "audit", "annotations", decision}},
		{1, []string{"user_agent", "original"}},
		{1, []string{"host", "os", "type"}}, {1, []string{"event", "dataset"}},
		{1, []string{"data_stream", "dataset"}}, {1, []string{"@timestamp"}},
	} {
		w.add(p.path, p.how)
	}
	w.view = w.layout.NewView(0, nil)
	return w
}

// Real events, both ways of writing them, give what the oracle finds.
func TestAuditEvents(t *testing.T) {
	for _, file := range []string{auditFile, "../../../shared/data/k8s-audit/webhook.jsonl.gz"} {
		t.Run(file, func(t *testing.T) {
			w := seedWanted()
			lines := auditLines(t, file)
			for i, line := range lines[:min(500, len(lines))] {
				tree := treeOf(t, line)
				for f, b := range map[Format][]byte{JSON: line, Msgpack: mp(tree)} {
					w.view.Reset()
					if n, err := f.Scan(w.layout, b, w.view); err != nil || n != len(b) {
						t.Fatalf("line %d, format %d: %d of %d, %v", i, f, n, len(b), err)
					}
					if err := w.check(f, tree); err != nil {
						t.Fatalf("line %d, format %d: %v", i, f, err)
					}
				}
			}
		})
	}
}

// A chunk of events cut anywhere gives whole events, then an error.
func TestAuditChunkCutAnywhere(t *testing.T) {
	var chunk []byte
	ends := map[int]bool{0: true}
	for _, line := range auditLines(t, auditFile)[:12] {
		chunk = append(chunk, rec(eventTimeExt(1, 2), treeOf(t, line))...)
		ends[len(chunk)] = true
	}
	w := seedWanted()
	want := -1
	for cut := range len(chunk) + 1 {
		if ends[cut] {
			want++
		}
		n, err := readChunk(chunk[:cut], w, func(int, int64, []byte) {})
		if n != want || (err == nil) != ends[cut] {
			t.Fatalf("cut at %d: %d records, %v; want %d", cut, n, err, want)
		}
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	lines := auditLines(t, auditFile)
	w := seedWanted()
	deep := fuzzWanted()
	special := object{{"annotations.x.y", "1"}, {"deep", object{{"a", []any{"x", object{{"b", int64(1)}}}}}}, {"a.b.c", []any{[]any{object{{"x", 1.5}}}}}, {"list", []any{object{{"a", "\n\x01é"}}}}}
	escapes := appendJSON(nil, special, func() int { return 3 })
	for name, scan := range map[string]func(){
		"JSON":    func() { scanAll(t, JSON, w, lines...) },
		"msgpack": func() { scanAll(t, Msgpack, deep, mp(special)) },
		"escapes": func() { scanAll(t, JSON, deep, escapes) },
	} {
		if name == "msgpack" {
			b := mp(special)
			scan = func() { scanAll(t, Msgpack, deep, b) }
		}
		if n := testing.AllocsPerRun(10, scan); n != 0 {
			t.Errorf("%s: %v allocations a run", name, n)
		}
	}
	var events [][]byte
	for _, line := range lines {
		events = append(events, mp(treeOf(t, line)))
	}
	if n := testing.AllocsPerRun(10, func() { scanAll(t, Msgpack, w, events...) }); n != 0 {
		t.Errorf("events: %v allocations a run", n)
	}
}

func scanAll(tb testing.TB, f Format, w *wanted, records ...[]byte) {
	for _, b := range records {
		w.view.Reset()
		if n, err := f.Scan(w.layout, b, w.view); err != nil || n != len(b) && f == Msgpack {
			tb.Fatalf("%d of %d, %v", n, len(b), err)
		}
	}
}
