package record

import "testing"

// The heads that are read in one step are read as any other would be, whichever
// byte of them is another.
func TestUsualHeads(t *testing.T) {
	const sec = "\x69\xa3\x84\x80\x00\x00\x00\x05"
	usual := 0
	for _, head := range []string{
		"\x92\x92\xd7\x00" + sec + "\x80",
		"\x92\x92\xd7\x00" + sec + "\xdf\x00\x00\x00\x00",
		"\xdd\x00\x00\x00\x02\xdd\x00\x00\x00\x02\xd7\x00" + sec + "\x80",
		"\xdd\x00\x00\x00\x02\xdd\x00\x00\x00\x02\xd7\x00" + sec + "\xdf\x00\x00\x00\x00",
	} {
		for at := range head {
			for c := range 256 {
				b := []byte(head + "\x81\xa1a\xa1b" + "\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0")
				b[at] = byte(c)
				ns, next := usualHead(b, 0)
				if next == 0 {
					continue
				}
				usual++
				n, i, isMap := container(b, 0)
				if i < 0 || isMap || n != 2 {
					t.Fatalf("%x: the head of no record was read", b)
				}
				if want, group, end := timestamp(b, i); end != next || want != ns || group {
					t.Errorf("%x: time %d, body at %d; want %d, %d (marker: %v)", b, ns, next, want, end, group)
				}
			}
		}
	}
	if usual < 4*8*200 {
		t.Errorf("only %d heads were read in one step", usual)
	}
}
