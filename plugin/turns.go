package main

import "sync"

// kind is what one registration of the shared object is.
type kind int

const (
	outputKind kind = iota
	inputKind
)

// The names that users write in a configuration.
const (
	outputName = "newterms"
	inputName  = "newterms_alerts"
)

// turns decides what each call of FLBPluginRegister registers.
//
// A shared object can register one plugin per line under [PLUGINS], and
// nothing says which line a call is for. The calls of one configuration come
// in a row, before any instance of it is initialized: the first of a row is
// the output, the second the input, and so on. Every other callback ends the
// row, so that a hot reload starts afresh, also where the object is listed
// once or the reload is given up half-way.
type turns struct {
	mu   sync.Mutex
	next kind
}

// take returns the kind to register now.
func (t *turns) take() kind {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.next
	t.next = inputKind - k
	return k
}

// end ends the row of registrations.
func (t *turns) end() {
	t.mu.Lock()
	t.next = outputKind
	t.mu.Unlock()
}
