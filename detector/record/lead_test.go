package record

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// TestLead compares a View that reads records which often begin alike, and so
// knows how they begin, with one that has never read any: whole records, and
// ones that break off.
func TestLead(t *testing.T) {
	layouts := []*Layout{NewLayout(), NewLayout(), NewLayout()}
	const slots = 4
	for k, l := range layouts {
		if l.Want("stage") != 0 || l.Want("user", "name") != 1 || l.Want("a", "b") != 2 {
			t.Fatal("slots are not handed out in order")
		}
		switch k {
		case 1:
			l.Want("kind")
		case 2:
			l.WantDeep() // everything: no lead
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	keys := []string{"kind", "level", "apiVersion", "stage", "user", "a.b", "a", "a key of more than thirty-one bytes", ""}
	entry := func(b []byte) []byte {
		b = msgp.AppendString(b, keys[r.IntN(len(keys))])
		switch r.IntN(8) {
		case 0:
			return msgp.AppendInt(msgp.AppendString(msgp.AppendMapHeader(b, 1), "name"), r.IntN(3))
		case 1:
			return msgp.AppendString(msgp.AppendArrayHeader(b, 1), "x")
		case 2:
			return msgp.AppendString(b, string(make([]byte, r.IntN(70))))
		}
		return msgp.AppendString(b, []string{"Event", "Metadata"}[r.IntN(2)])
	}
	used, passed := layouts[0].NewView(0, nil), 0
	var starts [][]byte
	for n := range 60_000 {
		if n%500 == 0 {
			starts = [][]byte{nil}
			for range 2 {
				b := starts[0]
				for range r.IntN(5) {
					b = entry(b)
				}
				starts = append(starts, b)
			}
			used.lead.age = leadAge // a new lead is due
		}
		body := append([]byte{}, starts[min(1+r.IntN(40)/38, r.IntN(30))]...)
		for range r.IntN(4) {
			body = entry(body)
		}
		count := 0
		for rest := body; len(rest) > 0; count++ {
			for range 2 {
				var err error
				if rest, err = msgp.Skip(rest); err != nil {
					t.Fatal(err)
				}
			}
		}
		if r.IntN(10) == 0 {
			count = r.IntN(count + 1) // what follows the map could be its entries
		}
		b := append(msgp.AppendMapHeader(nil, uint32(count)), body...)
		if r.IntN(10) == 0 {
			b = b[:1+r.IntN(len(b))]
		} else {
			b = append(b, "what follows, long enough that all of the record is read in one go"...)
		}
		l := layouts[n/1000%len(layouts)]
		fresh := l.NewView(0, nil)
		if used.Reset(); len(used.slots) < len(fresh.slots) {
			lead := used.lead
			used = l.NewView(0, nil)
			used.lead = lead
		}
		got, gotErr := l.ScanMsgpack(b, used)
		want, wantErr := l.ScanMsgpack(b, fresh)
		if got != want || gotErr != wantErr {
			t.Fatalf("%q: read %d, %v; want %d, %v", b, got, gotErr, want, wantErr)
		}
		for s := range int32(slots) {
			if got, want := slotOf(used, s), slotOf(fresh, s); got != want {
				t.Fatalf("%q, slot %d: %s, want %s", b, s, got, want)
			}
		}
		passed += len(used.lead.entries)
	}
	if passed < 10_000 {
		t.Errorf("%d entries were passed over: too few to mean anything", passed)
	}
}

func slotOf(v *View, s int32) (text string) {
	if int(s) >= len(v.slots) {
		return ""
	}
	for i := v.Slot(s); i != 0; i = v.Next(i) {
		text += fmt.Sprintf("%+v ", *v.At(i))
	}
	return text
}
