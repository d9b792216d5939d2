package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fluent-bit-newterms/detector/kql"
)

// exceptionList is one exception list of an export, with its items.
type exceptionList struct {
	id    string
	at    Position
	items []Exception
	used  bool
}

// exceptionLists are in the order of the export.
type exceptionLists []*exceptionList

func (ls *exceptionLists) get(id string, at Position) *exceptionList {
	for _, list := range *ls {
		if list.id == id {
			return list
		}
	}
	list := &exceptionList{id: id, at: at}
	*ls = append(*ls, list)
	return list
}

// addList takes in the line of an exception list itself.
func (ls *exceptionLists) addList(t table) {
	if id := t.str("list_id"); id != "" {
		ls.get(id, t.doc.At(t.doc.Place("list_id").Value))
	}
}

// addItem takes in the line of an item of an exception list.
func (ls *exceptionLists) addItem(t table, values valueLists) {
	e := Exception{
		ID: t.str("item_id"), Name: t.str("name"), ListID: t.str("list_id"),
		Expires: t.expiry("expire_time"), Position: t.doc.At(t.doc.Place("").Value),
	}
	if e.ListID == "" {
		t.missing("list_id", "the exception list that the item belongs to")
		return
	}
	list := ls.get(e.ListID, e.Position)
	if e.Node = checked(t, entries(t, "entries", values)); e.Node == nil {
		return
	}
	if systems := osTypes(t); systems != nil {
		e.Node = allOf([]kql.Node{systems, e.Node})
	}
	list.items = append(list.items, e)
}

// LoadExceptions reads exceptions from files, folders or globs, each of which
// may be several, comma-separated: our own form in .toml, Kibana's in .ndjson.
// The error is a Problems. Set.Except attaches them.
func LoadExceptions(paths ...string) ([]Exception, []Problem, error) {
	l := &loader{opts: Options{Exceptions: paths}}
	l.loadExceptions()
	l.warnOfExpired()
	found := l.exceptions
	for _, list := range l.lists {
		found = append(found, list.items...)
	}
	sortProblems(l.warnings)
	sortProblems(l.errs)
	return found, l.warnings, Problems(l.errs).asError()
}

// loadExceptions reads the files that the options name. Rules that such a
// file holds beside its exceptions, as an export does, are not loaded.
func (l *loader) loadExceptions() {
	if len(l.opts.Exceptions) == 0 {
		return
	}
	before := len(l.errs)
	defer func() {
		for i := range l.errs[before:] {
			l.errs[before+i].InExceptions = true
		}
	}()
	files, problems := expand(l.opts.Exceptions)
	l.errs = append(l.errs, problems...)
	l.exceptionsOnly = true
	for _, f := range files {
		data, err := readFile(f.path)
		if err != nil {
			l.errs = append(l.errs, unreadable(f.path, err))
			continue
		}
		have := func() int { return len(l.exceptions) + len(l.lists) + len(l.errs) }
		found, rules := have(), l.passedRules
		l.add(f.path, data)
		if f.named && have() == found && l.passedRules > rules {
			l.errs = append(l.errs, Problem{
				Position: Position{File: f.path}, Msg: "holds rules and no exceptions",
				Hint: "name it among the rules",
			})
		}
	}
	l.exceptionsOnly = false
}

// warnOfExpired names the exceptions that are not in force any more.
func (l *loader) warnOfExpired() {
	now := time.Now()
	expired := slices.Clone(l.exceptions)
	for _, list := range l.lists {
		expired = append(expired, list.items...)
	}
	for _, e := range expired {
		if !e.Active(now) {
			l.warnings = append(l.warnings, Problem{
				Position: e.Position, Field: "expires",
				Msg:  fmt.Sprintf("the exception %q expired at %s and is not in force", shorten(e.Name), e.Expires.UTC().Format(time.RFC3339)),
				Hint: "remove it, or give it a later date",
			})
		}
	}
}

// attach gives each rule the exceptions that are for it.
func (l *loader) attach() {
	for _, d := range l.drafts {
		for _, ref := range d.lists {
			i := slices.IndexFunc(l.lists, func(list *exceptionList) bool { return list.id == ref.id })
			if i >= 0 {
				l.lists[i].used = true
				d.Exceptions = append(d.Exceptions, l.lists[i].items...)
				continue
			}
			// Elastic's own rules name the endpoint list whether or not
			// there is one.
			if ref.kind != "endpoint" {
				l.warnings = append(l.warnings, Problem{
					Position: d.doc.At(d.doc.Place(ref.path).Value), RuleID: d.ID, Rule: d.Name, Field: ref.path,
					Msg:  fmt.Sprintf("the exception list %q is in none of the files, so its exceptions are not in force", ref.id),
					Hint: "export the rule with its exceptions",
				})
			}
		}
	}
	for _, list := range l.lists {
		if !list.used && len(list.items) > 0 && !slices.Contains(l.skippedLists, list.id) {
			l.warnings = append(l.warnings, unusedList(list.id, list.at))
		}
	}
	rules := make([]*Rule, len(l.drafts))
	for i, d := range l.drafts {
		rules[i] = d.Rule
	}
	l.warnings = append(l.warnings, exceptOwn(rules, l.exceptions)...)
}

// Except attaches exceptions to the rules of s that they are for: those of
// our own form by the rules that they name, items of Kibana's lists to the
// rules that refer to the list. It is for the time before the rules are in
// use. The warnings name exceptions that are for none of the rules.
func (s *Set) Except(exceptions []Exception) []Problem {
	var own []Exception
	var warnings []Problem
	for _, e := range exceptions {
		if e.ListID == "" {
			own = append(own, e)
			continue
		}
		used := false
		for _, r := range s.Rules {
			if slices.Contains(r.exceptionLists, e.ListID) {
				used = true
				r.Exceptions = append(r.Exceptions, e)
			}
		}
		if !used {
			warnings = append(warnings, unusedList(e.ListID, e.Position))
		}
	}
	return append(warnings, exceptOwn(s.Rules, own)...)
}

func exceptOwn(rules []*Rule, exceptions []Exception) []Problem {
	var warnings []Problem
	for _, e := range exceptions {
		used := len(e.Rules) == 0
		for _, r := range rules {
			if e.AppliesTo(r) {
				used = true
				r.Exceptions = append(r.Exceptions, e)
			}
		}
		if !used {
			warnings = append(warnings, Problem{
				Position: e.Position, Field: "rule",
				Msg:  fmt.Sprintf("no rule has an id or a name like %q, so this exception is for none", shorten(strings.Join(e.Rules, ", "))),
				Hint: "* stands for any characters; letter case counts",
			})
		}
	}
	return warnings
}

func unusedList(id string, at Position) Problem {
	return Problem{
		Position: at, Field: "list_id",
		Msg:  fmt.Sprintf("no rule refers to the exception list %q, so its exceptions are not in force", id),
		Hint: "name the list in a rule's exceptions_list, or write the exceptions as [[exception]] in a .toml file",
	}
}
