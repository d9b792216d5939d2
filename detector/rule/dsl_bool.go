package rule

import (
	"strconv"
	"strings"

	"fluent-bit-newterms/detector/kql"
)

// boolClause reads bool: must and filter all hold, must_not none, and of
// should as many as minimum_should_match says:
//
//	{"bool": {"should": [{"term": {"a": 1}}, {"term": {"b": 2}}], "minimum_should_match": 1}}
func boolClause(q table) kql.Node {
	before := len(q.errs)
	must := append(clauseList(q, "must"), clauseList(q, "filter")...)
	not := clauseList(q, "must_not")
	should := clauseList(q, "should")
	nodes := must
	if len(should) > 0 {
		least := minimumShould(q, len(should), len(must))
		switch {
		case least > len(should):
			nodes = append(nodes, kql.Not{Node: kql.All{}}) // never enough
		case least > 0:
			some := atLeast(should, least)
			if some == nil {
				q.fail(q.at("minimum_should_match"), "write the combinations out in KQL",
					"%s: %d of %d clauses are too many combinations", q.at("minimum_should_match"), least, len(should))
				return nil
			}
			nodes = append(nodes, some)
		}
	}
	for _, n := range not {
		nodes = append(nodes, kql.Not{Node: n})
	}
	q.ignore("boost", "minimum_should_match", "_name", "adjust_pure_negative")
	q.unknown()
	switch {
	case len(q.errs) > before:
		return nil
	case len(nodes) == 0:
		return kql.All{}
	}
	return allOf(nodes)
}

// clauseList reads a list of queries, or one query by itself.
func clauseList(q table, key string) []kql.Node {
	var tables []table
	if _, single := q.get(key).(map[string]any); single {
		t, _ := q.sub(key)
		tables = []table{t}
	} else {
		tables = q.subs(key)
	}
	var nodes []kql.Node
	for _, t := range tables {
		if node := dsl(t); node != nil {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// minimumShould returns how many of n should clauses must hold: what
// minimum_should_match says (2, -1, "75%", "-25%"), or 1, or 0 where other
// clauses select already.
func minimumShould(q table, n, others int) int {
	v := q.get("minimum_should_match")
	if v == nil {
		if others > 0 {
			return 0
		}
		return 1
	}
	text, _ := scalarText(v)
	text = strings.TrimSpace(text)
	number, percent := strings.CutSuffix(text, "%")
	least, err := strconv.Atoi(number)
	if err != nil || least > 1<<20 || least < -1<<20 {
		q.fail(q.at("minimum_should_match"), "", `%s must be a number or a percentage, such as 1 or "75%%", found %s`, q.at("minimum_should_match"), describe(v))
		return 0
	}
	if percent {
		least = n * least / 100
	}
	if least < 0 {
		least += n
	}
	return max(least, 0)
}

// maxCombinations bounds what "k of n" may grow to.
const maxCombinations = 256

// atLeast returns the query that k of nodes hold, nil if it grows too large.
func atLeast(nodes []kql.Node, k int) kql.Node {
	switch {
	case k == 1:
		return anyOf(nodes)
	case k == len(nodes):
		return allOf(nodes)
	case combinations(len(nodes), k) > maxCombinations:
		return nil
	}
	var some []kql.Node
	chosen := make([]kql.Node, 0, k)
	var choose func(from int)
	choose = func(from int) {
		if len(chosen) == k {
			some = append(some, allOf(append([]kql.Node(nil), chosen...)))
			return
		}
		for i := from; i <= len(nodes)-(k-len(chosen)); i++ {
			chosen = append(chosen, nodes[i])
			choose(i + 1)
			chosen = chosen[:len(chosen)-1]
		}
	}
	choose(0)
	return anyOf(some)
}

// combinations returns n over k, or some number above maxCombinations.
func combinations(n, k int) int {
	result := 1
	for i := range min(k, n-k) {
		result = result * (n - i) / (i + 1)
		if result > maxCombinations {
			break
		}
	}
	return result
}
