package mapping

import (
	"fmt"
	"strings"

	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/geoip"
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

// String returns the mode as the property "mapping" has it.
func (m Mode) String() string { return [...]string{"auto", "kubernetes_audit", "ecs"}[m] }

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
	// as a map; "" if the record is the event. Dots lead into maps, or are
	// part of the key itself. A record without the key is the event.
	LogKey string
	// RefusePodEvents passes over audit events that are in the output of a pod
	// which is no API server: anybody who can start a pod can write such.
	RefusePodEvents bool
	// Mappings are read beside the shapes of Kubernetes in mode Auto; nil is all
	// that come with newterms.
	Mappings []*Mapping
	// Geo gives source.as and source.geo of events that have source.ip; nil
	// gives nothing.
	Geo *geoip.DB
}

// shape is what a record, or a part of one, turned out to be.
type shape uint8

const (
	ecsShape   shape = iota
	rawShape         // a Kubernetes audit event
	gkeShape         // the same in Google Cloud's envelope
	agentShape       // the same under kubernetes.audit
	fileShape        // the raw events of the first mapping file; those of others follow
)

// maxShapes bounds the shapes of a plan.
const maxShapes = 64

// Plan is the fields that rules ask for and where each lies in every shape.
// Ask for all fields, then make Readers; from then on the Plan must not
// change. A Plan is a kql.Env.
type Plan struct {
	opts   Options
	prefix string // with a dot: the nested field whose elements the paths lie in
	layout *record.Layout

	fields    map[string]record.Field
	paths     []string                // by Field
	shapes    shape                   // how many there are
	unwrap    map[string]bool         // names that mappings say are wrapping
	files     []*filePlan             // of the shapes from fileShape on
	tables    [maxShapes][]int32      // by Field: the slot that holds it
	consts    [maxShapes][]constant   // what the shape itself says
	copies    [maxShapes][]slotCopy   // what stands in for an empty slot, in order
	derives   [maxShapes][]derivation // and what is made of them
	compilers []*kql.Compiler         // of queries over raw names
	unions    [maxShapes][]slotUnion  // fields with the values of several
	aks       []slotCopy              // from Azure's envelope to the event in it
	made      map[string]int32        // slots that no path fills, by name
	lazies    []lazyField             // by Field - record.FirstLazy
	lazyBy    map[string]record.Field

	objects  [maxShapes][]objectSlot // what of these is empty is not there
	later    int32                   // a slot that no path fills, for fields that are read when asked for
	mark     marks
	ownTime  [1]int32         // the slot of a document's own time
	outcomes [maxShapes]int32 // slot that event.outcome is written to, or -1
	decision [maxShapes]int32 // slot that it follows from
}

// constant is a value that a shape stands for. What the slot own holds, if it
// is not none, goes first.
type constant struct {
	slot, own int32
	value     string
}

// slotCopy makes the slot dst hold what src does, if dst is empty, and only if
// something is at when and nothing at unless, where these are not nil.
type slotCopy struct {
	dst, src     int32
	when, unless *objectSlot
}

type slotUnion struct {
	dst int32
	src []int32
}

const none int32 = -1

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
		p.outcomes[s] = none
	}
	p.later = p.layout.NewSlot()
	p.shapes = fileShape
	p.ownTime[0] = p.layout.Want("@timestamp")
	p.layout.Underscore("kubernetes", "audit", "annotations")
	if o.Mode != ECS {
		p.layout.Underscore("annotations")
		p.layout.Underscore("labels")
	}
	p.setMarks()
	p.setFiles()
	p.add("") // the zero Field is nobody's
	return p
}

// Field returns the Field for an ECS path, and the type that it has in
// Elastic's indices. It implements kql.Env.
func (p *Plan) Field(path string) (record.Field, record.Type) {
	f, ok := p.fields[path]
	if !ok {
		f = p.add(path)
	}
	return f, ecs.TypeOf(p.prefix + path)
}

// Has tells whether a table of types names this very path. It implements
// kql.Env.
func (p *Plan) Has(path string) bool {
	return ecs.Has(p.prefix + path)
}

// Path returns the path of a Field that Field returned.
func (p *Plan) Path(f record.Field) string { return p.paths[f] }

func (p *Plan) add(path string) record.Field {
	f := record.Field(len(p.paths))
	p.paths = append(p.paths, path)
	p.fields[path] = f
	for s := range p.shapes {
		p.tables[s] = append(p.tables[s], none)
	}
	for s := range p.shapes {
		// The queries of mappings, too, add fields on the way.
		p.tables[s][f] = p.slotFor(s, path)
	}
	if p.opts.Geo != nil && p.prefix == "" && isGeo(path) {
		ip, _ := p.Field("source.ip")
		for s := range p.shapes {
			p.tables[s][f] = p.geoSlot(s, path, p.tables[s][f], p.tables[s][ip])
		}
	}
	return f
}

// slotFor returns the slot that holds the field at path in a shape.
func (p *Plan) slotFor(s shape, path string) int32 {
	switch {
	case path == "":
		return p.make("nothing")
	case s == ecsShape:
		return p.ecs(path)
	case p.opts.Mode == ECS:
		return p.make("nothing")
	case s >= fileShape:
		return p.fileSlot(s, p.files[s-fileShape].m, path)
	case s == gkeShape:
		return p.gkeSlot(path)
	}
	return p.auditSlot(s, path)
}

// auditSlot returns the slot that holds the field at path in an audit event of a
// shape.
func (p *Plan) auditSlot(s shape, path string) int32 {
	if src, ok := sources[path]; ok {
		return p.source(s, path, src)
	}
	if path == "@timestamp" && s == rawShape {
		// Azure's envelope says when; the ingest pipeline takes its word.
		slot := p.fromAzure(path, []string{"time"})
		p.copies[s] = append(p.copies[s], slotCopy{slot, p.want(path, []string{path}), nil, nil})
		return slot
	}
	rest, ok := strings.CutPrefix(path, audit)
	switch {
	case !ok && path+"." == audit:
		return p.make("nothing")
	case !ok && s != agentShape && own(s, path):
		return p.make("nothing") // the event's, so under kubernetes.audit
	case !ok:
		return p.beside(s, path)
	case dropped(rest):
		return p.make("nothing")
	}
	if name, ok := strings.CutPrefix(rest, "aks_metadata."); ok && s == rawShape {
		at := aksPath(name)
		if at == nil {
			return p.make("nothing")
		}
		return p.fromAzure(path, at)
	}
	if s != agentShape && !own(s, rest) {
		return p.make("nothing")
	}
	return p.raw(s, path, splitRaw(rest))
}

// ecs returns the slot of a field of a document. The keys of labels and
// annotations at the top are read with underscores for their dots, as Google
// Cloud's are needed, so that a path with dots may lie at either spelling.
func (p *Plan) ecs(path string) int32 {
	at := splitECS(path)
	slot := p.checked(ecsShape, path, at)
	if p.opts.Mode != ECS && len(at) > 2 && (at[0] == "labels" || at[0] == "annotations") {
		return p.firstOf(ecsShape, path, slot, p.checked(ecsShape, path, []string{at[0], strings.Join(at[1:], "_")}))
	}
	return slot
}

// beside returns the slot of a field that is not the event's own: what a
// filter or an agent added beside it.
func (p *Plan) beside(s shape, path string) int32 {
	return p.checked(s, path, splitECS(path))
}

// source returns the slot of a field that the pipeline or the agent adds.
func (p *Plan) source(s shape, path string, src source) int32 {
	switch src.from {
	case outcome:
		p.outcomes[s] = p.make("outcome")
		p.decision[s] = p.raw(s, audit+strings.Join(decisionPath, "."), decisionPath)
		return p.outcomes[s]
	case relatedUser:
		return p.union(s, path, []string{"user", "uid"}, []string{"user", "username"})
	case relatedIP:
		return p.union(s, path, []string{"sourceIPs"})
	}
	if src.value != "" {
		c := constant{slot: p.make("const " + path), own: none, value: src.value}
		if src.byDefault {
			c.own = p.beside(s, path)
		}
		p.consts[s] = append(p.consts[s], c)
		return c.slot
	}
	var from []int32
	if s == gkeShape && src.above != nil {
		from = append(from, p.raw(s, "", src.above))
	}
	if src.path != nil {
		from = append(from, p.raw(s, path, src.path))
	}
	if s == gkeShape && src.below != nil {
		from = append(from, p.raw(s, "", src.below))
	}
	switch len(from) {
	case 0:
		return p.make("nothing")
	case 1:
		return from[0]
	}
	return p.firstOf(s, path, from...)
}

// raw returns the slot of a place inside an event in the given shape, for the
// field at path.
func (p *Plan) raw(s shape, path string, at []string) int32 {
	if s == agentShape {
		return p.checked(s, path, append([]string{"kubernetes", "audit"}, at...))
	}
	slot := p.checked(s, path, at)
	if s != gkeShape {
		return slot
	}
	name := strings.Join(at, ".")
	for _, r := range renames {
		if rest, ok := under(at, r.to); ok {
			dst, made := p.fresh("renamed " + name)
			if made {
				from := p.checked(s, path, append(append([]string{}, r.from...), rest...))
				p.copies[s] = append(p.copies[s],
					slotCopy{dst, slot, nil, nil},
					slotCopy{dst, from, nil, p.place(s, r.to)})
			}
			return dst
		}
		if _, ok := under(at, r.from); ok {
			dst, made := p.fresh("not renamed " + name)
			if made {
				p.copies[s] = append(p.copies[s], slotCopy{dst, slot, p.place(s, r.to), nil})
			}
			return dst
		}
	}
	return slot
}

// place returns where to look whether there is anything at a place in an event.
// Nearly every event has annotations, and in most shapes nobody asks whether:
// a slot for values there would mean a value of kind Object in each View, and
// a search for what it belongs to.
func (p *Plan) place(s shape, at []string) *objectSlot {
	o := &objectSlot{slot: none, span: p.layout.WantSpan(at...)}
	if len(at) > 1 || at[0] != "annotations" {
		o.slot = p.checked(s, "", at)
	}
	return o
}

// want asks the layout for the values at a place. A flattened field's values
// are all its leaves.
func (p *Plan) want(path string, at []string) int32 {
	if ecs.TypeOf(p.prefix+path) == record.Flattened {
		return p.layout.WantDeep(at...)
	}
	return p.layout.Want(at...)
}

// fresh returns the slot of that name that no path fills, and whether it was
// made only now.
func (p *Plan) fresh(name string) (slot int32, made bool) {
	slot, ok := p.made[name]
	if !ok {
		slot = p.layout.NewSlot()
		p.made[name] = slot
	}
	return slot, !ok
}

func (p *Plan) make(name string) int32 {
	slot, _ := p.fresh(name)
	return slot
}

// firstOf returns a slot that holds the values of the first of src that has
// any.
func (p *Plan) firstOf(s shape, name string, src ...int32) int32 {
	slot := p.make("first of " + name)
	for _, from := range src {
		p.copies[s] = append(p.copies[s], slotCopy{slot, from, nil, nil})
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

// fromAzure returns a slot that holds what Azure's envelope has at a place.
func (p *Plan) fromAzure(path string, at []string) int32 {
	dst := p.make("azure " + path)
	p.aks = append(p.aks, slotCopy{dst, p.want("", at), nil, nil})
	return dst
}

var _ kql.Env = (*Plan)(nil)
