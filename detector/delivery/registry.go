package delivery

import (
	"slices"
	"sync"
)

// Registry knows the alerts inputs and the outputs of the process, and which
// output has which state. The zero Registry is empty and ready to use. It is
// safe for concurrent use.
//
// Its lock is held for moments: neither disk nor network is waited for under
// it.
type Registry struct {
	mu      sync.Mutex
	inputs  []*Input
	outputs []*Output
	states  map[string]string // paths of states in use, and by which output
}

// Output is what a Registry knows of one output.
type Output struct {
	Dispatcher *Dispatcher
	// CheckTag returns an error if the output's own Match takes the tag, so
	// that alerts would raise alerts.
	CheckTag func(tag string) error
	// Feeds tells whether the input takes alerts of one of the output's rules.
	Feeds func(in *Input) bool
}

// Check calls check with the inputs that there are, and returns its error. No
// input comes or goes meanwhile.
func (r *Registry) Check(check func(inputs []*Input) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return check(r.inputs)
}

// ReserveState takes the path of a state for an output. by is the output that
// has it already, "" if none has. The lock on the state would tell processes
// apart, but not say which instance has it.
func (r *Registry) ReserveState(path, output string) (by string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if by, ok := r.states[path]; ok {
		return by
	}
	if r.states == nil {
		r.states = make(map[string]string)
	}
	r.states[path] = output
	return ""
}

// ReleaseState gives the path of a state back.
func (r *Registry) ReleaseState(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.states, path)
}

// Join starts an output's dispatcher with the inputs that there are, unless
// check has an error about them.
func (r *Registry) Join(o *Output, check func(inputs []*Input) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := check(r.inputs); err != nil {
		return err
	}
	o.Dispatcher.start(r.inputs)
	r.outputs = append(r.outputs, o)
	return nil
}

// Leave forgets an output.
func (r *Registry) Leave(o *Output) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outputs = slices.DeleteFunc(r.outputs, func(other *Output) bool { return other == o })
}

// IsInputTag tells whether an alerts input has the tag.
func (r *Registry) IsInputTag(tag string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return tag != "" && slices.ContainsFunc(r.inputs, func(in *Input) bool { return in.tag == tag })
}

// Unfed returns the inputs that no output feeds, each once.
func (r *Registry) Unfed() (list []*Input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.inputs {
		if !in.unfed && !slices.ContainsFunc(r.outputs, func(o *Output) bool { return o.Feeds(in) }) {
			in.unfed = true
			list = append(list, in)
		}
	}
	return list
}

// dispatchers returns those of all outputs.
func (r *Registry) dispatchers() []*Dispatcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Dispatcher, len(r.outputs))
	for i, o := range r.outputs {
		list[i] = o.Dispatcher
	}
	return list
}

// addInput makes an input known to all outputs, unless one of them would take
// its tag.
func (r *Registry) addInput(in *Input) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.outputs {
		if err := o.CheckTag(in.tag); err != nil {
			return err
		}
	}
	r.inputs = append(r.inputs, in)
	for _, o := range r.outputs {
		o.Dispatcher.addInput(in)
	}
	return nil
}

func (r *Registry) removeInput(in *Input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inputs = slices.DeleteFunc(r.inputs, func(other *Input) bool { return other == in })
	for _, o := range r.outputs {
		o.Dispatcher.removeInput(in)
	}
}
