package mapping

import (
	"time"

	"fluent-bit-newterms/detector/record"
)

// Time reads a date as Elasticsearch's date fields take it: RFC 3339 text or
// milliseconds since the epoch. ok is false for anything else.
func Time(v *record.Value) (ns int64, ok bool) {
	switch v.Kind {
	case record.String:
		return parseTime(v.Str)
	case record.Int:
		ms := int64(v.Num)
		return ms * 1e6, ms >= 0 && ms < 1<<53/1000
	case record.Float:
		ms, _ := v.Float()
		return int64(ms * 1e6), ms >= 0 && ms < 1<<53/1000
	}
	return 0, false
}

// parseTime reads RFC 3339 text, seconds and zone optional: what API servers,
// Azure, Google Cloud and Beats write.
func parseTime(s string) (ns int64, ok bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
			return t.UnixNano(), true
		}
	}
	return 0, false
}
