package mapping

import (
	"math"
	"testing"
	"time"

	"fluent-bit-newterms/detector/record"
)

func TestTime(t *testing.T) {
	at := func(s string) int64 {
		tm, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return tm.UnixNano()
	}
	text := record.StringValue
	tests := []struct {
		name string
		val  record.Value
		want int64 // -1: no date
	}{
		{"microseconds", text("2026-11-23T01:08:49.978817Z"), at("2026-11-23T01:08:49.978817Z")},
		{"nanoseconds", text("2025-07-13T08:38:41.005864307Z"), at("2025-07-13T08:38:41.005864307Z")},
		{"one digit", text("2025-07-13T08:38:41.5Z"), at("2025-07-13T08:38:41.5Z")},
		{"seconds", text("2025-07-13T08:38:41Z"), at("2025-07-13T08:38:41Z")},
		{"zone", text("2025-07-13T08:38:41.25+02:00"), at("2025-07-13T06:38:41.25Z")},
		{"zone without colon", text("2025-07-13T08:38:41.25+0200"), at("2025-07-13T06:38:41.25Z")},
		{"no zone", text("2025-07-13T08:38:41.25"), at("2025-07-13T08:38:41.25Z")},
		{"no seconds", text("2025-07-13T08:38"), at("2025-07-13T08:38:00Z")},
		{"space", text("2025-07-13 08:38:41"), at("2025-07-13T08:38:41Z")},
		{"day", text("2025-07-13"), at("2025-07-13T00:00:00Z")},
		{"leap day", text("2024-02-29T00:00:00Z"), at("2024-02-29T00:00:00Z")},
		{"leap day of 2000", text("2000-02-29T00:00:00Z"), at("2000-02-29T00:00:00Z")},
		{"after a leap day", text("2024-03-01T00:00:00Z"), at("2024-03-01T00:00:00Z")},
		{"first", text("1970-01-01T00:00:00Z"), 0},
		{"last", text("2261-12-31T23:59:59.999999999Z"), at("2261-12-31T23:59:59.999999999Z")},
		{"no leap day", text("2100-02-29T00:00:00Z"), -1},
		{"before the epoch", text("1969-12-31T23:59:59Z"), -1},
		{"before the epoch by its zone", text("1970-01-01T00:30:00+01:00"), -1},
		{"too late", text("2262-01-01T00:00:00Z"), -1},
		{"dot without digits", text("2025-07-13T08:38:41.Z"), -1},
		{"hour 24", text("2025-07-13T24:00:00Z"), -1},
		{"letters", text("20xx-07-13T08:38:41Z"), -1},
		{"empty", text(""), -1},
		{"word", text("yesterday"), -1},
		{"milliseconds", record.IntValue(1752395921250), 1752395921250 * 1e6},
		{"zero", record.IntValue(0), 0},
		{"negative", record.IntValue(-1), -1},
		{"number too late", record.IntValue(maxMillis), -1},
		{"last number", record.IntValue(maxMillis - 1), (maxMillis - 1) * 1e6},
		{"unsigned", record.UintValue(math.MaxUint64), -1},
		{"fraction", record.FloatValue(1752395921250.5), 1752395921250500000},
		{"not a number", record.FloatValue(math.NaN()), -1},
		{"infinite", record.FloatValue(math.Inf(1)), -1},
		{"boolean", record.BoolValue(true), -1},
		{"object", record.Value{Kind: record.Object}, -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ns, ok := Time(&test.val)
			if ok != (test.want >= 0) || ok && ns != test.want {
				t.Errorf("Time = %d, %v, want %d", ns, ok, test.want)
			}
		})
	}
}

// TestTimeEachDay compares the calendar with the library's, day by day.
func TestTimeEachDay(t *testing.T) {
	for day := time.Unix(0, 0).UTC(); day.Year() < 2262; day = day.AddDate(0, 0, 1) {
		if ns, ok := rfc3339(day.Format(time.RFC3339)); !ok || ns != day.UnixNano() {
			t.Fatalf("%s: %d, %v, want %d", day.Format(time.RFC3339), ns, ok, day.UnixNano())
		}
	}
}

func TestTimeDoesNotAllocate(t *testing.T) {
	val := record.StringValue("2026-11-23T01:08:49.978817Z")
	if n := testing.AllocsPerRun(100, func() { Time(&val) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRFC3339 compares the fast reader with time.Parse: what it takes is the
// same date, and what it should take it does.
func FuzzRFC3339(f *testing.F) {
	for _, s := range []string{"2026-11-23T01:08:49.978817Z", "2026-11-23T01:08:49Z", "2026-02-30T01:08:49.9Z", "1970-01-01T00:00:00.000000000Z", "2026-11-23T01:08:49,9Z", "2026-11-23T01:08:60Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ns, ok := rfc3339(s)
		tm, err := time.Parse(time.RFC3339Nano, s)
		if ok && (err != nil || tm.UnixNano() != ns) {
			t.Errorf("%q: %d, but time.Parse has %v, %v", s, ns, tm, err)
		}
		// The form that the library itself writes is the one to be fast on.
		if !ok && err == nil && tm.Year() >= 1970 && tm.Year() < 2262 && tm.UTC().Format(time.RFC3339Nano) == s {
			t.Errorf("%q is left to the slow reader", s)
		}
	})
}

func BenchmarkTime(b *testing.B) {
	val := record.StringValue("2026-11-23T01:08:49.978817Z")
	b.Run("fast", func(b *testing.B) {
		for b.Loop() {
			if _, ok := rfc3339(val.Str); !ok {
				b.Fatal("not fast")
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			if _, ok := parseTime(val.Str); !ok {
				b.Fatal("not read")
			}
		}
	})
}
