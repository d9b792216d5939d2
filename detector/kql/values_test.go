package kql

import (
	"errors"
	"testing"

	"fluent-bit-newterms/detector/record"
)

// TestValuesThatFieldsCannotHold: Elasticsearch fails a query with such a
// value, so it is an error here, at the value's place.
func TestValuesThatFieldsCannotHold(t *testing.T) {
	types := map[string]record.Type{
		"ip": record.IP, "port": record.Long, "score": record.Double, "yes": record.Boolean, "at": record.Date,
		"txt": record.Text, "flat": record.Flattened, "list": record.Nested, "list.port": record.Long,
	}
	typeOf := func(path string) record.Type {
		if typ, ok := types[path]; ok {
			return typ
		}
		return record.Dynamic
	}
	tests := []struct {
		query  string
		offset int // of the error, -1 for none
		found  string
	}{
		{`ip: foo`, 4, `ip is of type address, which "foo" is not`},
		{`kw: a and not ip: (10.0.0.1 or 10.*)`, 31, `ip is of type address, which takes no wildcards`},
		{`ip > 10.0.0.0/8`, 5, `ip is of type address, which "10.0.0.0/8" is not`},
		{`port: abc`, 6, `port is of type number, which "abc" is not`},
		{`port: 4*`, 6, `port is of type number, which takes no wildcards`},
		{`score < "x"`, 8, `score is of type number, which "x" is not`},
		{`yes: yes`, 5, `yes is of type boolean, which "yes" is not`},
		{`at < yesterday`, 5, `at is of type date, which "yesterday" is not`},
		{`at: "2021.01.01"`, 4, `at is of type date, which "2021.01.01" is not`},
		{`list: { kw: a and port: abc }`, 24, `list.port is of type number, which "abc" is not`},
		{`bare and kw: *x and *: * and port: b`, 35, `port is of type number, which "b" is not`},
		{`ip: (10.0.0.0/8 or "fe80::1" or *)`, -1, ``},
		{`port: ("443" or 1.5) and score >= -1e3 and port: *`, -1, ``},
		{`yes: true and yes: "" and at >= now-1d/d and at: "2026-01||/M" and at: 1700000000000`, -1, ``},
		{`p*t: abc and foo and txt: 1* and flat: x* and kw > 5 and n.v: abc`, -1, ``},
	}
	for _, test := range tests {
		n, err := ParseTyped(test.query, typeOf)
		if test.offset < 0 {
			if err != nil {
				t.Errorf("%s: %v", test.query, err)
			}
			continue
		}
		var at *ParseError
		if !errors.As(err, &at) || at.Offset != test.offset || at.Found != test.found || at.Hint == "" {
			t.Errorf("%s: %v is %v, want offset %d, %s", test.query, n, err, test.offset, test.found)
		}
	}
}
