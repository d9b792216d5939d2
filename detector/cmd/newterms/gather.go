package main

import (
	"cmp"
	"slices"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/cmd/newterms/report"
	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// What a report lists at most; the page must stay quick to open.
const (
	latestTuples  = 50
	listedValues  = 15
	chartBuckets  = 400
	countedValues = 1 << 20 // distinct values of a field
)

// gatherer puts together what a report shows.
type gatherer struct {
	d        *report.Data
	most     int            // alerts
	index    map[string]int // rules by ID
	activity buckets        // of all rules
	novelty  []buckets      // by rule
	fields   map[string]map[string]*fieldValue
	order    []string // of fields, as they come in rules
}

// fieldValue counts the tuples with a value.
type fieldValue struct {
	tuples int
	rules  map[string]struct{}
}

func newGatherer(d *report.Data, most int) *gatherer {
	return &gatherer{
		d: d, most: most, index: make(map[string]int), activity: newBuckets(),
		fields: make(map[string]map[string]*fieldValue),
	}
}

func (g *gatherer) rules(rules []*rule.Rule) {
	for _, r := range rules {
		g.rule(ruleInfo(r))
	}
}

// rule adds a rule, and returns its index.
func (g *gatherer) rule(r report.Rule) int {
	i, ok := g.index[r.ID]
	if !ok {
		i = len(g.d.Rules)
		g.index[r.ID] = i
		g.d.Rules = append(g.d.Rules, r)
		g.novelty = append(g.novelty, newBuckets())
	}
	return i
}

// cover widens the time of the report.
func (g *gatherer) cover(ms int64) {
	if g.d.Start == 0 || ms < g.d.Start {
		g.d.Start = ms
	}
	g.d.End = max(g.d.End, ms)
}

// alert adds an alert.
func (g *gatherer) alert(f *found) {
	i := g.rule(report.Rule{ID: f.RuleID, Name: f.Rule, Severity: f.Severity, Fields: f.Own.Fields})
	r := &g.d.Rules[i]
	switch f.Own.Summary {
	case "":
		r.Alerts++
	case ofLimit:
		r.Held += f.Own.Count
	default:
		return // what was learned or suppressed is no alert of its own
	}
	g.cover(f.Time.UnixMilli())
	if len(g.d.Alerts) >= g.most {
		g.d.LeftOut++
		return
	}
	a := report.Alert{
		Time: f.Time.UnixMilli(), Rule: i, Why: f.Own.Explanation,
		File: f.Own.File, Line: f.Own.Line, UUID: f.UUID, Kind: f.Own.Summary,
	}
	for k, term := range f.Terms {
		a.Terms = append(a.Terms, plain(term))
		a.Novel = append(a.Novel, k < len(f.Own.Fields) && slices.Contains(f.Own.Novel, f.Own.Fields[k]))
	}
	g.d.Alerts = append(g.d.Alerts, a)
}

// plain writes a term as text.
func plain(term any) string {
	if s, ok := term.(string); ok {
		return s
	}
	return alert.Show(term)
}

// state adds what a state knows of the rules of the report, or of all rules if
// it has none yet.
func (g *gatherer) state(snap *seen.Snapshot) error {
	all := len(g.d.Rules) == 0
	for _, info := range snap.Rules() {
		if _, ours := g.index[info.ID]; engine.IsHistory(info.ID) || !all && !ours {
			continue
		}
		i := g.rule(ruleOf(&info))
		err := snap.Tuples(info.ID, func(t seen.Tuple) error {
			g.tuple(i, &t)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *gatherer) tuple(i int, t *seen.Tuple) {
	r := &g.d.Rules[i]
	r.Tuples++
	g.cover(t.First)
	g.cover(t.Last)
	g.novelty[i].add(t.First, 0, 1)
	terms := make([]string, len(t.Terms))
	for k, term := range t.Terms {
		terms[k] = plain(term)
		if k < len(r.Fields) {
			g.value(r.Fields[k], terms[k], r.ID)
		}
	}
	r.Latest = append(r.Latest, report.Tuple{Terms: terms, First: t.First, Last: t.Last, Count: t.Count})
	if len(r.Latest) >= 20*latestTuples {
		trimLatest(r)
	}
}

// trimLatest keeps the tuples that were first seen last.
func trimLatest(r *report.Rule) {
	slices.SortStableFunc(r.Latest, func(a, b report.Tuple) int { return cmp.Compare(b.First, a.First) })
	r.Latest = r.Latest[:min(len(r.Latest), latestTuples)]
}

func (g *gatherer) value(field, text, ruleID string) {
	values := g.fields[field]
	if values == nil {
		values = make(map[string]*fieldValue)
		g.fields[field] = values
		g.order = append(g.order, field)
	}
	v := values[text]
	if v == nil {
		if len(values) >= countedValues {
			return
		}
		v = &fieldValue{rules: make(map[string]struct{})}
		values[text] = v
	}
	v.tuples++
	v.rules[ruleID] = struct{}{}
}

// finish fills in what follows from the rest.
func (g *gatherer) finish() {
	all := newBuckets()
	for i := range g.d.Rules {
		trimLatest(&g.d.Rules[i])
		for _, a := range g.novelty[i].list() {
			all.add(a.Time, 0, a.New)
		}
	}
	if len(g.activity.by) == 0 {
		g.activity = all
	}
	if list := g.activity.list(); len(list) > 0 {
		if g.d.Start == 0 {
			g.cover(list[0].Time)
		}
		g.cover(list[len(list)-1].Time) // known tuples too are part of the time
	}
	// All charts have one step, the longest that any of them needs.
	lists := []*buckets{&g.activity}
	for i := range g.novelty {
		lists = append(lists, &g.novelty[i])
	}
	for _, b := range lists {
		b.fit(g.d.Start, g.d.End, chartBuckets)
		g.d.Step = max(g.d.Step, b.step())
	}
	for _, b := range lists {
		for b.step() < g.d.Step {
			b.widen()
		}
	}
	g.d.Activity = g.activity.list()
	for i := range g.d.Rules {
		g.d.Rules[i].Novelty = g.novelty[i].list()
	}
	for _, name := range g.order {
		g.d.Fields = append(g.d.Fields, listValues(name, g.fields[name]))
	}
	// Users and user agents first: they are what grows.
	slices.SortStableFunc(g.d.Fields, func(a, b report.Field) int { return cmp.Compare(fieldRank(a.Name), fieldRank(b.Name)) })
}

func fieldRank(name string) int {
	switch name {
	case "kubernetes.audit.user.username", "user.name", "user.id", "user.email":
		return 0
	case "user_agent.original", "kubernetes.audit.userAgent":
		return 1
	}
	return 2
}

func listValues(name string, values map[string]*fieldValue) report.Field {
	f := report.Field{Name: name}
	for text, v := range values {
		f.Values = append(f.Values, report.Value{Text: text, Tuples: v.tuples, Rules: len(v.rules)})
	}
	slices.SortFunc(f.Values, func(a, b report.Value) int {
		return cmp.Or(cmp.Compare(b.Tuples, a.Tuples), cmp.Compare(a.Text, b.Text))
	})
	if more := len(f.Values) - listedValues; more > 0 {
		f.Others = more
		f.Values = f.Values[:listedValues]
	}
	return f
}
