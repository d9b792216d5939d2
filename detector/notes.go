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

	mu    sync.Mutex
	kinds map[string]*note
}

type note struct {
	last    time.Time
	more    int
	example string
}

func newNotes(host Host) *notes {
	return &notes{host: host, kinds: make(map[string]*note)}
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
			text := k.example
			if k.more > 1 {
				text = fmt.Sprintf("%s (and %d more like it)", text, k.more-1)
			}
			n.host.Log(LevelWarn, text)
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

// disk notes that a flush did not wait for the disk to the end. That the disk
// fails, and is back, is said by the store.
func (n *notes) disk(err error) {
	if errors.Is(err, seen.ErrPending) {
		n.say("disk", fmt.Sprintf("the disk with the state is slow; detection goes on from memory: %v", err))
	}
}

// shed notes what the bounds of the ways out have cost.
func (n *notes) shed(alerts int, matched uint64) {
	if alerts > 0 {
		n.say("outbox", fmt.Sprintf("the outbox is full: %s could not leave for so long that they were dropped, the least severe and oldest first", count(alerts, "alert")))
	}
	if matched > 0 {
		n.say("matched", fmt.Sprintf("%s could not leave and were dropped; alerts are kept", count(int(matched), "matching record")))
	}
}

// tell logs what the engine has to say.
func (n *notes) tell(lines []string) {
	for _, line := range lines {
		n.host.Log(LevelInfo, line)
	}
}

// bug is deferred where a panic would otherwise end the host: the plugin can
// recover those of its own callbacks only.
func (n *notes) bug(where string) {
	if r := recover(); r != nil {
		n.say("bug", fmt.Sprintf("a bug in %s, please report it: %v", where, r))
	}
}
