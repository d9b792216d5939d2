package detector

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"fluent-bit-newterms/detector/seen"
)

// notesEvery is how often the same trouble is logged.
const notesEvery = time.Minute

// notes logs trouble that may come with every record: the first of a kind at
// once, then how many more there were, once a minute.
type notes struct {
	host Host

	mu     sync.Mutex
	kinds  map[string]*note
	diskOK bool
}

type note struct {
	last    time.Time
	more    int
	example string
}

func newNotes(host Host) *notes {
	return &notes{host: host, kinds: make(map[string]*note), diskOK: true}
}

// say logs trouble of a kind.
func (n *notes) say(kind, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.kinds[kind]
	if k == nil {
		k = &note{}
		n.kinds[kind] = k
	}
	if time.Since(k.last) < notesEvery {
		k.more++
		k.example = text
		return
	}
	k.last = time.Now()
	n.host.Log(LevelWarn, text)
}

// flush logs what was held back for a minute.
func (n *notes) flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.kinds {
		if k.more > 0 && time.Since(k.last) >= notesEvery {
			n.host.Log(LevelWarn, fmt.Sprintf("%s (and %d more like it)", k.example, k.more-1))
			k.last, k.more = time.Now(), 0
		}
	}
}

func (n *notes) skipped(index int, err error) {
	n.say("skipped", fmt.Sprintf("record %d of a chunk is passed over: %v", index, err))
}

func (n *notes) malformed(tag string, err error) {
	n.say("malformed", fmt.Sprintf("tag %q: %v; the records before it were taken", tag, err))
}

func (n *notes) loop(tag string) {
	n.say("loop", fmt.Sprintf("the Match of this output takes tag %q, under which its own alerts come back; they are passed over: choose another Tag for the newterms_alerts input, or a narrower Match", tag))
}

// disk notes how the commit of a flush went. Trouble is logged when it begins
// and when it is over.
func (n *notes) disk(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err == nil && !n.diskOK:
		n.diskOK = true
		n.host.Log(LevelInfo, "the state can be written again; what was owed is on disk")
	case err == nil || errors.Is(err, seen.ErrClosed):
	case n.diskOK:
		n.diskOK = false
		n.host.Log(LevelError, fmt.Sprintf("the state cannot be written; detection goes on from memory until it can: %v", err))
	}
}
