package rule

import (
	"testing"

	"fluent-bit-newterms/detector/kql"
)

// TestCanonical pins the form: a change of it makes every rule learn anew.
func TestCanonical(t *testing.T) {
	for query, want := range map[string]string{
		``:                     `all()`,
		`a: b`:                 `match("a"|"b")`,
		`a: "b"`:               `match("a"|quoted"b")`,
		`a: b* and not c.d: *`: `and(match("a"|"b"*"")not(match("c.d"|""*"")))`,
		`(a: 2 and b: 1) and (c: 3 or (d: 4 or c: 3))`: `and(match("a"|"2")match("b"|"1")or(match("c"|"3")match("d"|"4")))`,
		`not (a: 1 or a: 1)`:                           `not(match("a"|"1"))`,
		`a: (x or y or x)`:                             `or(match("a"|"x")match("a"|"y"))`,
		`a*: 1 or b >= 5 or "free \" text"`:            `or(match(""|quoted"free \" text")match("a"*""|"1")range("b">="5"))`,
		`n: { a: 1 and b < "2" }`:                      `nested("n"and(match("a"|"1")range("b"<"2")))`,
	} {
		node, err := kql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := canonical(node); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	list := kql.NewKeywordList("l", nil)
	for want, node := range map[string]kql.Node{
		`glob("a"|"b*"true)`: kql.Glob{Field: kql.Field("a"), Pattern: "b*", CaseInsensitive: true},
		`list("a"|"l")`:      kql.InList{Field: kql.Field("a"), List: list},
		`range("a">"1")`:     kql.Range{Field: kql.Field("a"), Op: kql.Gt, Value: kql.Quoted("1")},
		`range("a"<="1")`:    kql.Range{Field: kql.Field("a"), Op: kql.Lte, Value: kql.Quoted("1")},
	} {
		if got := canonical(node); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
