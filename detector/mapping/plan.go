package mapping

import (
	"fmt"
	"strings"

	"fluent-bit-newterms/detector/kql"
	"fluent-bit-newterms/detector/record"
)

// Mode says which shapes records may have.
type Mode uint8

// The values of the property "mapping".
const (
	Auto            Mode = iota // told apart by record
	KubernetesAudit             // raw audit events, however wrapped
	ECS                         // ECS documents
)

// ParseMode reads the value of the property "mapping"; "" is Auto.
func ParseMode(s string) (Mode, error) {
	switch strings.ToLower(s) {
	case "", "auto":
		return Auto, nil
	case "kubernetes_audit":
		return KubernetesAudit, nil
	case "ecs":
		return ECS, nil
	}
	return 0, fmt.Errorf("%q is no mapping: use auto, kubernetes_audit or ecs", s)
}

// Options say how records are read.
type Options struct {
	Mode Mode
	// LogKey names a key of the record that holds the event, as JSON text or
	// as a map; "" if the record is the event. Dots lead into maps.
	LogKey string
}

// shape is what a record, or a part of one, turned out to be.
type shape uint8

const (
	ecsShape   shape = iota
	rawShape         // a Kubernetes audit event
	gkeShape         // the same in Google Cloud's envelope
	agentShape       // the same under kubernetes.audit
	shapes
)

// wrappers are the keys under which log shippers are known to put an event;
// one is looked into if the record is nothing else.
var wrappers = []string{"log", "message", "event", "audit", "body", "data", "payload", "record", "MESSAGE"}

// Plan is the fields that rules ask for and where each lies in every shape.
// Ask for all fields, then make Readers; from then on the Plan must not
// change. A Plan is a kql.Env.
type Plan struct {
	opts   Options
	layout *record.Layout

	fields map[string]record.Field
	paths  []string            // by Field
	tables [shapes][]int32     // by Field: the slot that holds it
	consts [shapes][]constant  // what the shape itself says
	copies [shapes][]slotCopy  // what stands in for an empty slot, in order
	unions [shapes][]slotUnion // fields with the values of several
	made   map[string]int32    // slots that no path fills, by name
	lazies []lazyField         // by Field - record.FirstLazy
	lazyBy map[string]record.Field

	mark     marks
	outcomes [shapes]int32 // slot that event.outcome is written to, or -1
	decision [shapes]int32 // slot that it follows from
}

type constant struct {
	slot  int32
	value string
}

type slotCopy struct{ dst, src int32 }

type slotUnion struct {
	dst int32
	src []int32
}

// marks are the slots that tell shapes apart.
type marks struct {
	auditID, stage, kind, version int32 // a raw event
	insertID, payload             int32 // Google Cloud
	category, operation           int32 // Azure
	resource, time                int32
	logText, logMap               int32 // properties.log
	items, records                int32 // lists of events
	agentID, agentStage           int32
	ecs                           []int32 // any of these: the pipeline has run
	logKeyText, logKeyMap         int32
	wrapText, wrapMap, wrapID     []int32 // by wrapper
}

// NewPlan returns a Plan that asks for nothing yet.
func NewPlan(o Options) *Plan {
	p := &Plan{
		opts:   o,
		layout: record.NewLayout(),
		fields: make(map[string]record.Field),
		made:   make(map[string]int32),
		lazyBy: make(map[string]record.Field),
	}
	for s := range p.outcomes {
		p.outcomes[s] = -1
	}
	p.layout.Underscore("annotations")
	p.layout.Underscore("labels")
	p.layout.Underscore("kubernetes", "audit", "annotations")
	p.layout.Underscore("kubernetes", "audit", "labels")
	p.setMarks()
	p.add("") // the zero Field is nobody's
	return p
}

func (p *Plan) setMarks() {
	l, m := p.layout, &p.mark
	if p.opts.LogKey != "" {
		path := strings.Split(p.opts.LogKey, ".")
		m.logKeyText, m.logKeyMap = l.Want(path...), l.WantSpan(path...)
	}
	if p.opts.Mode == ECS {
		return
	}
	m.auditID, m.stage = l.Want("auditID"), l.Want("stage")
	m.kind, m.version = l.Want("kind"), l.Want("apiVersion")
	m.insertID, m.payload = l.Want("insertId"), l.Want("protoPayload")
	m.category, m.operation = l.Want("category"), l.Want("operationName")
	m.resource, m.time = l.Want("resourceId"), l.Want("time")
	m.logText, m.logMap = l.Want("properties", "log"), l.WantSpan("properties", "log")
	m.items, m.records = l.WantSpan("items"), l.WantSpan("records")
	m.agentID = l.Want("kubernetes", "audit", "auditID")
	m.agentStage = l.Want("kubernetes", "audit", "stage")
	for _, path := range []string{"event.action", "event.kind", "user_agent.original", "orchestrator.type"} {
		m.ecs = append(m.ecs, l.Want(strings.Split(path, ".")...))
	}
	if p.opts.LogKey != "" {
		return
	}
	for _, key := range wrappers {
		m.wrapText = append(m.wrapText, l.Want(key))
		m.wrapMap = append(m.wrapMap, l.WantSpan(key))
		m.wrapID = append(m.wrapID, l.Want(key, "auditID"))
	}
}

// Field returns the Field for an ECS path, and the type that it has in
// Elastic's indices. It implements kql.Env.
func (p *Plan) Field(path string) (record.Field, record.Type) {
	if f, ok := p.fields[path]; ok {
		return f, TypeOf(path)
	}
	return p.add(path), TypeOf(path)
}

// Has tells whether a table of types names this very path. It implements
// kql.Env.
func (p *Plan) Has(path string) bool {
	_, ok := fieldTypes[path]
	return ok
}

// Path returns the path of a Field that Field returned.
func (p *Plan) Path(f record.Field) string { return p.paths[f] }

func (p *Plan) add(path string) record.Field {
	f := record.Field(len(p.paths))
	p.paths = append(p.paths, path)
	p.fields[path] = f
	for s := range shapes {
		p.tables[s] = append(p.tables[s], p.slotFor(s, path))
	}
	return f
}

// slotFor returns the slot that holds the field at path in a shape.
func (p *Plan) slotFor(s shape, path string) int32 {
	if path == "" {
		return p.make("nothing")
	}
	if s == ecsShape {
		return p.want(path, strings.Split(path, "."))
	}
	if p.opts.Mode == ECS {
		return p.make("nothing")
	}
	if name, ok := strings.CutPrefix(path, audit+"aks_metadata."); ok {
		return p.aksSlot(s, path, name)
	}
	src, ok := sourceOf(path)
	if !ok {
		if strings.HasPrefix(path, audit) {
			return p.make("nothing")
		}
		// Not the event's own: what a filter added beside it.
		return p.want(path, strings.Split(path, "."))
	}
	switch {
	case src.value != "":
		slot := p.make("const " + path) // one slot, filled in each shape
		p.consts[s] = append(p.consts[s], constant{slot, src.value})
		return slot
	case src.from == outcome:
		p.outcomes[s] = p.make("outcome")
		p.decision[s] = p.raw(s, audit+"annotations.authorization_k8s_io/decision", decisionPath)
		return p.outcomes[s]
	case src.from == relatedUser:
		return p.union(s, "related.user", []string{"user", "uid"}, []string{"user", "username"})
	case src.from == relatedIP:
		return p.union(s, "related.ip", []string{"sourceIPs"})
	}
	slot := p.raw(s, path, src.path)
	if alt, ok := orchestratorFallbacks[path]; ok && s == gkeShape {
		return p.firstOf(s, path, slot, p.raw(s, "", alt))
	}
	return slot
}

// raw returns the slot of a path inside an event in the given shape.
func (p *Plan) raw(s shape, path string, at []string) int32 {
	if s == agentShape {
		return p.want(path, append([]string{"kubernetes", "audit"}, at...))
	}
	slot := p.want(path, at)
	if s == gkeShape {
		for _, r := range renames {
			if len(at) >= len(r.to) && strings.Join(at[:len(r.to)], ".") == strings.Join(r.to, ".") {
				from := append(append([]string{}, r.from...), at[len(r.to):]...)
				return p.firstOf(s, strings.Join(at, "."), slot, p.want(path, from))
			}
		}
	}
	return slot
}

// want asks the layout for the values at a place. A flattened field's values
// are all its leaves.
func (p *Plan) want(path string, at []string) int32 {
	if TypeOf(path) == record.Flattened {
		return p.layout.WantDeep(at...)
	}
	return p.layout.Want(at...)
}

// make returns the slot of that name that no path fills.
func (p *Plan) make(name string) int32 {
	slot, ok := p.made[name]
	if !ok {
		slot = p.layout.NewSlot()
		p.made[name] = slot
	}
	return slot
}

// firstOf returns a slot that holds the values of the first of src that has
// any.
func (p *Plan) firstOf(s shape, name string, src ...int32) int32 {
	if slot, ok := p.made["first of "+name]; ok {
		return slot
	}
	slot := p.make("first of " + name)
	for _, from := range src {
		p.copies[s] = append(p.copies[s], slotCopy{slot, from})
	}
	return slot
}

// union returns a slot that holds the distinct values at all the paths.
func (p *Plan) union(s shape, name string, paths ...[]string) int32 {
	slot := p.make("union " + name)
	u := slotUnion{dst: slot}
	for _, at := range paths {
		u.src = append(u.src, p.raw(s, "", at))
	}
	p.unions[s] = append(p.unions[s], u)
	return slot
}

// aksSlot returns the slot of a field of Azure's envelope: its record is read
// into the same View as the event inside it.
func (p *Plan) aksSlot(s shape, path, name string) int32 {
	if s != rawShape {
		return p.make("nothing")
	}
	var src []int32
	for _, at := range aksPath(name) {
		src = append(src, p.want("", at))
	}
	return p.firstOf(s, path, src...)
}

var _ kql.Env = (*Plan)(nil)
