package mapping

import (
	"fmt"
	"strings"
)

// Source is a kind of raw events that Options let be read, for what its events
// can hold.
type Source struct {
	Name    string // kubernetes_audit, or the mapping's
	Dataset string // data_stream.dataset of its events

	m   *Mapping // nil: Kubernetes audit events
	geo bool
}

// Sources returns the sources whose raw events are read, Kubernetes first.
func (o *Options) Sources() (all []Source) {
	if o.Mode == ECS {
		return nil
	}
	all = append(all, Source{Name: KubernetesAudit.String(), Dataset: Dataset, geo: o.Geo != nil})
	for _, m := range o.mappings() {
		all = append(all, Source{Name: m.Name, Dataset: m.Dataset, m: m, geo: o.Geo != nil})
	}
	return all
}

// Gives tells whether an event of the source can have a field.
func (s *Source) Gives(name string) bool {
	if s.geo && isGeo(name) && s.gives("source.ip") {
		return true
	}
	return s.gives(name)
}

func (s *Source) gives(name string) bool {
	if s.m != nil {
		return s.m.Gives(name)
	}
	if rest, ok := strings.CutPrefix(name, audit); ok {
		return own(rawShape, rest) && !dropped(rest) || strings.HasPrefix(rest, "aks_metadata")
	}
	for field := range sources {
		if field == name || strings.HasPrefix(field, name+".") {
			return true
		}
	}
	return name == "kubernetes" || name+"." == audit || name == "@timestamp"
}

// Constants returns all values that a field can have in events of the source, as
// text. ok is false if events say what it has. always is true if each event has
// all of the values.
func (s *Source) Constants(name string) (values []string, always, ok bool) {
	if s.m == nil {
		src := sources[name]
		return []string{src.value}, !src.byDefault, src.value != "" && !src.byDefault
	}
	if text, ok := constantsOf(s.m)[name]; ok {
		return []string{text}, true, true
	}
	f := s.m.byTarget[name]
	if f == nil {
		return nil, false, false
	}
	for i := range f.sources {
		if len(f.sources[i].from) > 0 {
			return nil, false, false
		}
		for _, val := range f.sources[i].is {
			values = append(values, fmt.Sprint(val))
		}
	}
	return values, len(f.sources) == 1 && f.sources[0].when == nil, true
}
