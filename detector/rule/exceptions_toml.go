package rule

import (
	"fmt"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/kql"
)

// ownExceptions reads exceptions in a form that is simple enough to write by
// hand:
//
//	[[exception]]
//	name = "the backup job reads every secret"
//	rule = "Kubernetes *"                  # an id, or a glob of ids or names; default: all rules
//	query = 'kubernetes.audit.user.username: "system:serviceaccount:backup:*"'
//	expires = 2027-01-31                   # default: never
//	comment = "ticket 4711"
//
// In place of query it may hold entries, as Kibana has them.
func ownExceptions(top table, lists valueLists) []Exception {
	var found []Exception
	for i, t := range top.subs("exception") {
		e := Exception{
			ID: t.str("id"), Name: t.str("name"), Rules: t.strs("rule"), Expires: t.expiry("expires"),
			Position: t.doc.At(t.doc.Place(t.path).Key),
		}
		if comment := t.str("comment"); e.Name == "" {
			e.Name = comment
		}
		if e.Name == "" {
			e.Name = fmt.Sprintf("exception %d", i+1)
		}
		e.Node = ownNode(t, lists)
		t.unknown()
		if e.Node != nil {
			found = append(found, e)
		}
	}
	return found
}

func ownNode(t table, lists valueLists) kql.Node {
	switch {
	case t.has("query") && t.has("entries"):
		t.failKey(t.at("entries"), "keep one of the two", "%s has both query and entries", t.path)
	case t.has("entries"):
		return checked(t, entries(t, "entries", lists))
	case !t.has("query"):
		t.missing("query", "what to except, in KQL")
	default:
		t.query = t.str("query")
		node, err := kql.ParseTyped(t.query, ecs.TypeOf)
		if err != nil {
			t.failQuery(t.at("query"), err)
			return nil
		}
		if _, all := node.(kql.All); all {
			t.fail(t.at("query"), "to switch a rule off, remove it", "%s would except every event", t.at("query"))
			return nil
		}
		t.lintQuery(t.at("query"), node)
		return node
	}
	return nil
}
