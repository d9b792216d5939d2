package alert

import (
	"fmt"
	"testing"

	jsoniter "github.com/json-iterator/go"
)

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
