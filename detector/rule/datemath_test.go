package rule

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseSpan(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		err  string
	}{
		{"10d", 10 * day, ""},
		{"5m", 5 * time.Minute, ""},
		{"1M", 31 * day, ""},
		{"1y", 366 * day, ""},
		{"2w", 14 * day, ""},
		{"3H", 3 * time.Hour, ""},
		{"1d12h", 36 * time.Hour, ""},
		{"1h30m0.5s", time.Hour + 30*time.Minute + 500*time.Millisecond, ""},
		{"1.5h", 90 * time.Minute, ""},
		{"500ms", 500 * time.Millisecond, ""},
		{" 1h ", time.Hour, ""},
		{"0s", 0, ""},
		{"", 0, "is empty"},
		{"10", 0, "is not a length of time"},
		{"d", 0, "is not a length of time"},
		{"10x", 0, "is not a length of time"},
		{"10 d", 0, "is not a length of time"},
		{"1d-2h", 0, "is not a length of time"},
		{"-5m", 0, "is negative"},
		{"300y", 0, "is longer than 290 years"},
		{"290y290y", 0, "is longer than 290 years"},
		{"99999999999999999999d", 0, "is not a length of time"},
		{"٣d", 0, "is not a length of time"},
	} {
		got, err := ParseSpan(c.text)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("ParseSpan(%q) = %v, %v; want %v, %q", c.text, got, err, c.want, c.err)
		}
	}
}

func TestParseLookback(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		err  string
	}{
		{"now-10d", 10 * day, ""},
		{"now-9m", 9 * time.Minute, ""},
		{"now", 0, ""},
		{"now-d", day, ""},
		{"now-1d-12h", 36 * time.Hour, ""},
		{"now-2d+12h", 36 * time.Hour, ""},
		{"now-7d/d", 8 * day, ""},
		{"now/w", 7 * day, ""},
		{" now-5d ", 5 * day, ""},
		{"10d", 0, "is no date math"},
		{"", 0, "is no date math"},
		{"now-", 0, "is no date math"},
		{"now-10", 0, "is no date math"},
		{"now-10x", 0, "is no date math"},
		{"now-1d12h", 0, "is no date math"},
		{"now-1.5h", 0, "is no date math"},
		{"now+0", 0, "is no date math"},
		{"now-500ms", 0, "is no date math"},
		{"now-7d/", 0, "rounds to no unit"},
		{"now-7d/x", 0, "rounds to no unit"},
		{"now-7d/d-1d", 0, "rounds to no unit"},
		{"now+1d", 0, "lies in the future"},
		{"now~1d", 0, "is no date math"},
		{"now-300y", 0, "is longer than 290 years"},
		{"2024-01-01||-1d", 0, "is no date math"},
	} {
		got, err := ParseLookback(c.text)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("ParseLookback(%q) = %v, %v; want %v, %q", c.text, got, err, c.want, c.err)
		}
	}
}

func TestParseLearn(t *testing.T) {
	for text, want := range map[string]time.Duration{"off": 0, " OFF": 0, "24h": day, "2w": 14 * day} {
		if got, err := ParseLearn(text); got != want || err != nil {
			t.Errorf("ParseLearn(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := ParseLearn("on"); err == nil || !strings.Contains(err.Error(), `or "off"`) {
		t.Errorf("ParseLearn(on): %v", err)
	}
}

func TestFormatSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"10d": 10 * day, "1d12h": 36 * time.Hour, "5m": 5 * time.Minute, "0s": 0,
		"1.5s": 1500 * time.Millisecond, "1h1s": time.Hour + time.Second,
	} {
		if got := FormatSpan(d); got != want {
			t.Errorf("FormatSpan(%v) = %q, want %q", d, got, want)
		}
	}
}

// FuzzSpan checks that lengths are never negative, and that what FormatSpan
// and formatLookback write is read back.
func FuzzSpan(f *testing.F) {
	for _, text := range []string{"10d", "now-10d", "1h30m", "now-1d-12h/d", "0s", "1.5h", "now+9223372036s-1s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (time.Duration, error){ParseSpan, ParseLookback, parseWindow} {
			d, err := parse(text)
			if err != nil {
				if err.Error() == "" {
					t.Error("an error without words")
				}
				continue
			}
			if d < 0 {
				t.Fatalf("%q is %v", text, d)
			}
			if d == math.MaxInt64 {
				continue // added up to more than a Duration holds
			}
			if again, err := ParseSpan(FormatSpan(d)); again != d || err != nil {
				t.Errorf("%v as %q is %v, %v", d, FormatSpan(d), again, err)
			}
			if d > 0 && d%time.Second == 0 {
				if again, err := ParseLookback(formatLookback(d)); again != d || err != nil {
					t.Errorf("%v as %q is %v, %v", d, formatLookback(d), again, err)
				}
			}
		}
	})
}
