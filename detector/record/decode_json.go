package record

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"
)

var jsonNumbers = jsoniter.Config{UseNumber: true}.Froze()

func decodeJSON(b []byte) (any, error) {
	var val any
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	err := jsonNumbers.Unmarshal(b, &val)
	if err != nil {
		// The scan lets through more than a decoder: try once more without
		// what may be the reason.
		val = nil
		if jsonNumbers.Unmarshal(mend(b), &val) != nil {
			return nil, fmt.Errorf("%w: %w", ErrJSON, err)
		}
	}
	return plain(val, 0)
}

// plain makes a document that jsoniter decoded one of ours: numbers are
// int64, uint64 or float64, and no value lies too deep.
func plain(val any, depth int) (_ any, err error) {
	switch val := val.(type) {
	case map[string]any:
		if depth >= maxDecodeDepth {
			return nil, nil
		}
		for k, e := range val {
			if val[k], err = plain(e, depth+1); err != nil {
				return nil, err
			}
		}
	case []any:
		if depth >= maxDecodeDepth {
			return nil, nil
		}
		for i, e := range val {
			if val[i], err = plain(e, depth+1); err != nil {
				return nil, err
			}
		}
	case fmt.Stringer: // json.Number, which jsoniter does not check
		n, ok := bareNumber(val.String())
		if !ok {
			return nil, fmt.Errorf("%w: %.40q is no number", ErrJSON, val.String())
		}
		return n.Any(), nil
	}
	return val, nil
}

// mend returns the JSON text b with null for maps and arrays that lie too
// deep, and with the control characters and unknown escapes in its strings
// escaped.
func mend(b []byte) []byte {
	out := make([]byte, 0, len(b)+64)
	for i, depth := 0, 0; i < len(b); {
		switch c := b[i]; c {
		case '"':
			end, _ := stringEnd(b, i+1)
			if end < 0 {
				return b
			}
			out = append(mendString(append(out, '"'), b[i+1:end]), '"')
			i = end + 1
			continue
		case '{', '[':
			if depth == maxDecodeDepth {
				end := skipJSON(b, i)
				if end < 0 {
					return b
				}
				out = append(out, "null"...)
				i = end
				continue
			}
			depth++
		case '}', ']':
			depth--
		}
		out = append(out, b[i])
		i++
	}
	return out
}

func mendString(out, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c < ' ':
			out = fmt.Appendf(out, `\u%04x`, c)
		case c != '\\' || i+1 == len(raw):
			out = append(out, c)
		default:
			i++
			known := strings.IndexByte(`"\/bfnrt`, raw[i]) >= 0
			if raw[i] == 'u' {
				_, known = hex4(raw, i+1)
			}
			if known {
				out = append(out, '\\', raw[i])
				continue
			}
			// The backslash stands for itself. What comes after it is next.
			out = append(out, '\\', '\\')
			i--
		}
	}
	return out
}
