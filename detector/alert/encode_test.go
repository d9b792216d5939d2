package alert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	jsoniter "github.com/json-iterator/go"
)

// TestEncode compares Encode with what the library makes of documents.
func TestEncode(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	texts := []string{"", "a", "A", "aa", "<b>&", "\"\\\x00\x1f\u2028", "ü\xff\xc0", "event.kind", "z"}
	var draw func(depth int) any
	draw = func(depth int) any {
		n := r.IntN(4)
		switch k := r.IntN(14 + depth); k {
		case 0:
			return nil
		case 1:
			return r.IntN(2) == 0
		case 2:
			return []float64{0, 1, -1.5, 1e21, 1e-7, 100000000000000000000, 0.1}[r.IntN(7)]
		case 3:
			return int64(r.Uint64())
		case 4:
			return r.IntN(100)
		case 5:
			return r.Uint64()
		case 6:
			return jsoniter.RawMessage(`{"b":1,"a":[2]}`)
		case 7:
			return [][]string{nil, {}, {"x"}, {"x", "<y>"}}[n]
		case 8:
			return []map[string]any{{"b": 1, "a": "<"}}
		case 9:
			return struct {
				B int               `json:"b"`
				A map[string]string `json:"a,omitempty"`
			}{2, map[string]string{"z": "&", "y": ""}}
		case 10:
			return []any{[]any(nil), map[string]any(nil), []any{}, map[string]any{}}[n]
		case 11:
			list := make([]any, n)
			for i := range list {
				list[i] = draw(depth + 3)
			}
			return list
		case 12, 13:
			m := make(map[string]any)
			for range 3 * n {
				m[texts[r.IntN(len(texts))]] = draw(depth + 3)
			}
			return m
		}
		return texts[r.IntN(len(texts))]
	}
	for range 20_000 {
		doc := map[string]any{"a": draw(0), "c": draw(0), "b": draw(0)}
		want, err := stable.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Encode(doc)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%#v: %s %v, want %s", doc, got, err, want)
		}
	}
	for _, val := range []any{math.NaN(), math.Inf(1), func() {}, map[string]any{"a": []any{math.NaN()}}} {
		if text, err := Encode(map[string]any{"a": val}); err == nil {
			t.Errorf("%v was written as %s", val, text)
		}
	}
	if text, err := Encode(map[string]any{"a": 1}); err != nil || string(text) != `{"a":1}` {
		t.Errorf("after an error: %s %v", text, err)
	}
}

// What Encode returned stays as it is, however many keys a map has, and whatever
// is written afterwards.
func TestEncodeKeeps(t *testing.T) {
	var got, want []string
	var texts [][]byte
	for n := range 200 {
		doc := map[string]any{"nothing": jsoniter.RawMessage(nil)}
		for i := range n {
			doc[fmt.Sprint(i)] = float64(i) / 3
		}
		text, err := stable.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(text))
		if text, err = Encode(doc); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		got = append(got, string(text))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%d keys: %s, want %s", i, got[i], want[i])
		}
	}
}
