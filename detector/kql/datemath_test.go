package kql

import (
	"testing"
	"time"
)

// TestDateMath: Elasticsearch rounds up for > and <=, down for >= and <, which
// is to say that a rounded time is the whole unit.
func TestDateMath(t *testing.T) {
	now := time.Date(2024, 2, 29, 13, 14, 15, 167e6, time.UTC) // a Thursday
	for _, test := range []struct{ text, first, last string }{
		{"now", "2024-02-29T13:14:15.167Z", "2024-02-29T13:14:15.167Z"},
		{"now-0d", "2024-02-29T13:14:15.167Z", "2024-02-29T13:14:15.167Z"},
		{"now-1d", "2024-02-28T13:14:15.167Z", "2024-02-28T13:14:15.167Z"},
		{"now-d", "2024-02-28T13:14:15.167Z", "2024-02-28T13:14:15.167Z"},
		{"now+1h-30m+5s", "2024-02-29T13:44:20.167Z", "2024-02-29T13:44:20.167Z"},
		{"now-1H", "2024-02-29T12:14:15.167Z", "2024-02-29T12:14:15.167Z"},
		{"now-1y", "2023-02-28T13:14:15.167Z", "2023-02-28T13:14:15.167Z"},
		{"now-1M", "2024-01-29T13:14:15.167Z", "2024-01-29T13:14:15.167Z"},
		{"now+1w/w", "2024-03-04T00:00:00Z", "2024-03-10T23:59:59.999Z"},
		{"now/y", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59.999Z"},
		{"now/M", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999Z"},
		{"now/d-1d", "2024-02-28T00:00:00Z", "2024-02-28T23:59:59.999Z"},
		{"now/h", "2024-02-29T13:00:00Z", "2024-02-29T13:59:59.999Z"},
		{"now/m", "2024-02-29T13:14:00Z", "2024-02-29T13:14:59.999Z"},
		{"now/s", "2024-02-29T13:14:15Z", "2024-02-29T13:14:15.999Z"},
		{"2023-03-31||-1M", "2023-02-28T00:00:00Z", "2023-02-28T23:59:59.999Z"},
		{"2023-12-31T10:00:00Z||+2M/d", "2024-02-29T00:00:00Z", "2024-02-29T23:59:59.999Z"},
	} {
		m, ok := parseDateMath(test.text)
		if !ok {
			t.Errorf("%s is not read", test.text)
			continue
		}
		s := m.at(now.UnixMilli())
		first, last := time.UnixMilli(s.first).UTC().Format(time.RFC3339Nano), time.UnixMilli(s.last).UTC().Format(time.RFC3339Nano)
		if first != test.first || last != test.last {
			t.Errorf("%s is %s to %s, want %s to %s", test.text, first, last, test.first, test.last)
		}
	}
	for _, text := range []string{
		"", "no", "nowt", "now-", "now-1", "now-1x", "now*1d", "now/2d", "now/", "now-1.5h", "now 1d", "||+1d", "x||+1d", "2024", "now-99999999y",
		"now-1d-1d-1d-1d-1d-1d-1d-1d-1d",
	} {
		if _, ok := parseDateMath(text); ok {
			t.Errorf("%q is read", text)
		}
	}
}

// TestDateMathNow: now is the Memo's, not the clock's.
func TestDateMathNow(t *testing.T) {
	env := newTestEnv(oracleTypes)
	c := NewCompiler(env)
	p := compile(t, c, "at >= now-7d and at < now-1d/d")
	memo := c.NewMemo()
	v := env.view(decode(t, `{"at":"2024-02-25T00:00:00Z"}`))
	for day, want := range map[int]bool{25: false, 26: false, 27: true, 28: true, 29: true, 34: false} {
		memo.Reset()
		memo.Now = time.Date(2024, 2, day, 0, 0, 0, 0, time.UTC).UnixMilli()
		if got := p.Match(v, memo); got != want {
			t.Errorf("on day %d: %v", day, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { memo.Reset(); p.Match(v, memo) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
