package remote

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"fluent-bit-newterms/detector/seen"
)

// Options set up a Store.
type Options struct {
	// Known, if not nil, calls yield with all that this node knows, until
	// yield returns false. It is called from a goroutine of the Store, at the
	// start and when the server has lost its memory.
	Known func(yield func(r *Rule, terms []byte, s seen.Sighting) bool) error
	// Logf tells when the server goes away and when it is back. It must be
	// safe for concurrent use.
	Logf func(format string, args ...any)
	// Panicked is told of a panic that was recovered, from the deferred
	// function. The store then works as if the server had not answered.
	Panicked func(task string, v any)
}

// Store is the shared memory. All its methods are safe for concurrent use.
type Store struct {
	config *Config
	opt    Options
	client redis.UniversalClient
	owner  string // of this process's claims, 8 bytes

	mu      sync.Mutex // held for moments, never over the network
	circuit circuit
	marks   map[markKey]mark // not yet on the server
	urgent  bool             // some of them should not wait
	recent  []recentMark     // of the last minute, oldest first
	epoch   string           // "" before the first contact
	doubt   time.Time        // until when the server's memory has gaps
	resync  bool             // send all that is known
	syncAt  time.Time        // not before
	syncing bool             // it is under way
	stats   Stats
	nextHB  time.Time // the next heartbeat

	wake    chan struct{} // capacity 1
	quit    context.Context
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// Stats are totals since the Store was opened, and its state.
type Stats struct {
	RoundTrips uint64        // pipelines sent; to several servers at once counts as one
	Errors     uint64        // those that failed or timed out
	Time       time.Duration // spent on them
	Claims     uint64        // tuples asked about
	Marks      uint64        // tuples marked or refreshed
	Dropped    uint64        // marks that the queue had no room for; they are sent with all that is known
	Queued     int           // marks that wait
	Up         bool          // the server answered last
}

const (
	// batch is how many tuples a pipeline has at most.
	batch = 512
	// claimTime bounds the pipelines of one call of Claim, together.
	claimTime = 2 * time.Second
	// maxQueue bounds the marks that wait for the server, about 150 bytes each.
	maxQueue = 100_000
	// recentTime is how far back marks are sent again after trouble: a server
	// that fails over may have lost its last writes.
	recentTime = time.Minute
	maxRecent  = 10_000
	// heartbeat is how often the epoch is looked at without a reason.
	heartbeat = 15 * time.Second
	// lazyTime is how long a mark that is not urgent waits for company.
	lazyTime = 5 * time.Second
	// doubtTime is how long after a change of the epoch other nodes may take to
	// send what they know.
	doubtTime = 30 * time.Second
)

// Open makes a Store. It does not wait for the server: one that is away is
// logged and looked for in the background. An error is one of the
// configuration.
func Open(c *Config, o Options) (*Store, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if o.Panicked == nil {
		o.Panicked = func(string, any) {}
	}
	var id [8]byte
	rand.Read(id[:]) // never fails: it ends the process instead
	s := &Store{
		config: c, opt: o, client: client, owner: string(id[:]),
		marks: make(map[markKey]mark), wake: make(chan struct{}, 1),
	}
	s.quit, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Start makes the first contact, for a time-out at most, and starts the work
// in the background. Known must be ready to be called.
func (s *Store) Start() {
	s.probe()
	s.workers.Go(s.run)
}

// Stats returns what the store has done so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Queued, st.Up = len(s.marks), !s.circuit.open && s.epoch != ""
	return st
}

// Synced tells whether all that this node knows has been sent.
func (s *Store) Synced() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch != "" && !s.resync && !s.syncing
}

// ClaimTime returns how long a claim lasts.
func (s *Store) ClaimTime() time.Duration { return s.config.claim }

// String describes the server, without secrets.
func (s *Store) String() string { return s.config.String() }

// Request asks about one tuple.
type Request struct {
	Rule *Rule
	Key  Key
	// Terms are the keys of the tuple's terms, nil if they are of no interest.
	Terms []Key
	seen.Sighting
}

// Claim asks the server about tuples that this node does not know, and claims
// those that nobody does. Answers are in the order of the requests; where the
// server does not answer in time, they are Down. It takes a time-out for each
// 512 requests, and two seconds in all, at most.
//
// Whatever goes wrong with the server or its client is Down, a panic included.
func (s *Store) Claim(reqs []Request) []Answer {
	answers := make([]Answer, len(reqs))
	for i := range answers {
		answers[i].Kind = Down
	}
	ctx, cancel := context.WithTimeout(s.quit, claimTime)
	defer cancel()
	for from := 0; from < len(reqs); from += batch {
		to := min(from+batch, len(reqs))
		if !s.up() || s.claim(ctx, reqs[from:to], answers[from:to]) != nil {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Claims += uint64(len(reqs))
	if time.Now().Before(s.doubt) {
		for i := range answers {
			answers[i].Doubt = answers[i].Ours()
		}
	}
	return answers
}

func (s *Store) up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.circuit.open && s.epoch != ""
}

// claim sends one pipeline.
func (s *Store) claim(ctx context.Context, reqs []Request, answers []Answer) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.failed(s.panicked(v))
		}
	}()
	calls := make([]call, len(reqs))
	for i, r := range reqs {
		f, l := clamp(r.First), clamp(r.Last)
		calls[i] = call{claimScript, r.Rule.name(r.Key), []any{
			s.owner, f, l, max(r.Count, 1), r.Rule.window, r.Rule.grain, s.config.claim.Milliseconds(), r.Rule.ttl(),
		}}
	}
	for _, r := range reqs {
		for _, k := range r.Terms {
			calls = append(calls, call{key: r.Rule.termName(k)})
		}
	}
	epoch, replies, err := s.send(ctx, calls)
	if err != nil {
		return s.failed(err)
	}
	s.arrived(epoch)
	terms := replies[len(reqs):]
	for i, reply := range replies[:len(reqs)] {
		a, e := parseAnswer(reply)
		if re, ok := reply.(error); ok {
			e = re
		}
		for k := range reqs[i].Terms {
			if terms[k] == nil {
				a.Novel |= 1 << k
			} else if re, ok := terms[k].(error); ok {
				e = re
			}
		}
		terms = terms[len(reqs[i].Terms):]
		if e != nil {
			err = s.failed(e)
			continue
		}
		answers[i] = a
	}
	return err
}

// panicked makes an error of a panic that was recovered.
func (s *Store) panicked(v any) error {
	s.opt.Panicked("a call of the shared store", v)
	return fmt.Errorf("a bug, please report it: %v", v)
}

// clamp fits a time into the 48 bits that it has on the server.
func clamp(ms int64) int64 { return min(max(ms, 0), 1<<48-1) }

// Baseline is what is known of a rule's learning.
type Baseline struct {
	Since int64 // unix ms of the first match, 0 for none
	Done  bool  // a baseline was made from old logs
}

// Baseline tells the server what this node knows of a rule's learning, and
// returns what all nodes know.
func (s *Store) Baseline(r *Rule, b Baseline) (Baseline, error) {
	done := 0
	if b.Done {
		done = 1
	}
	if !s.up() {
		return b, errDown
	}
	_, replies, err := s.send(s.quit, []call{{baselineScript, s.config.prefix + "rule:" + r.tag, []any{r.ID, r.Fingerprint, clamp(b.Since), done}}})
	if err == nil {
		err, _ = replies[0].(error)
	}
	if err != nil {
		return b, s.failed(err)
	}
	list, _ := replies[0].([]any)
	if len(list) == 2 {
		since, ok1 := list[0].(int64)
		isDone, ok2 := list[1].(int64)
		if ok1 && ok2 && since >= 0 {
			return Baseline{Since: since, Done: isDone == 1}, nil
		}
	}
	return b, s.failed(errReply)
}

// errDown says that the circuit is open.
var errDown = errors.New("the shared store is away")

// call is one script to run on one key; without a script, one key to read, or
// to set for a time (in ms, 0 for ever) if there is an argument.
type call struct {
	script *redis.Script
	key    string
	args   []any
}

// queue adds the call to a pipeline. whole sends the script itself.
func (c *call) queue(ctx context.Context, pipe redis.Pipeliner, whole bool) *redis.Cmd {
	switch {
	case c.script != nil && whole:
		return c.script.Eval(ctx, pipe, []string{c.key}, c.args...)
	case c.script != nil:
		return c.script.EvalSha(ctx, pipe, []string{c.key}, c.args...)
	case len(c.args) == 0:
		return pipe.Do(ctx, "get", c.key)
	case c.args[0] == int64(0):
		return pipe.Do(ctx, "set", c.key, "")
	}
	return pipe.Do(ctx, "set", c.key, "", "px", c.args[0])
}

// send runs calls in one pipeline, behind a look at the epoch. Each reply is
// what the server returned, nil for nothing, or an error of its own. Scripts that the server
// does not have yet are sent whole in a second round.
func (s *Store) send(ctx context.Context, calls []call) (epoch string, replies []any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(v)
		}
	}()
	replies = make([]any, len(calls))
	todo := make([]int, len(calls))
	for i := range todo {
		todo[i] = i
	}
	for whole := false; len(todo) > 0; whole = true {
		epoch, err = s.round(ctx, calls, todo, replies, whole)
		if err != nil || whole {
			return epoch, replies, err
		}
		n := 0
		for _, i := range todo {
			if e, ok := replies[i].(error); ok && redis.HasErrorPrefix(e, "NOSCRIPT") {
				todo[n] = i
				n++
			}
		}
		todo = todo[:n]
	}
	return epoch, replies, nil
}

// round is one round trip of send.
func (s *Store) round(ctx context.Context, calls []call, todo []int, replies []any, whole bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.timeout)
	defer cancel()
	began := time.Now()
	pipe := s.client.Pipeline()
	get := pipe.Get(ctx, s.epochKey())
	cmds := make([]*redis.Cmd, len(todo))
	for k, i := range todo {
		cmds[k] = calls[i].queue(ctx, pipe, whole)
	}
	_, failed := pipe.Exec(ctx)
	s.count(began)
	var lost error
	refused := false // some command has an error of its own
	check := func(err error) bool {
		var of redis.Error
		refused = refused || err != nil
		if err == nil || errors.Is(err, redis.Nil) || errors.As(err, &of) {
			return true
		}
		lost = err
		return false
	}
	for k, i := range todo {
		val, err := cmds[k].Result()
		if err != nil {
			check(err)
			if val = err; errors.Is(err, redis.Nil) {
				val = nil
			}
		}
		replies[i] = val
	}
	epoch, err := get.Result()
	if !check(err) || lost != nil {
		return "", lost
	}
	if failed != nil && !refused {
		return "", failed // to log in: the commands do not know of it
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", err
	}
	return epoch, nil
}

func (s *Store) epochKey() string { return s.config.prefix + "epoch" }

func (s *Store) count(began time.Time) {
	s.mu.Lock()
	s.stats.RoundTrips++
	s.stats.Time += time.Since(began)
	s.mu.Unlock()
}

// failed opens the circuit, and returns err.
func (s *Store) failed(err error) error {
	if s.quit.Err() != nil {
		return err
	}
	s.mu.Lock()
	s.stats.Errors++
	first := s.circuit.fail(time.Now(), err)
	s.mu.Unlock()
	if first {
		s.opt.Logf("shared store %s: %s; each node decides by itself until it is back, and alerts may double", s.config, s.explain(err))
	}
	s.rouse()
	return err
}

// explain makes a sentence of what went wrong, and what to do where that is
// known.
func (s *Store) explain(err error) string {
	text := err.Error()
	for _, secret := range []string{s.config.password, s.config.sentinelPassword} {
		if len(secret) >= 4 { // a shorter one would garble the text and is none
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(text, "i/o timeout"), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Sprintf("no answer within %s", s.config.timeout)
	case strings.HasPrefix(text, "OOM"):
		return "its memory is full and its maxmemory-policy is noeviction: give it more, or set volatile-lru"
	case strings.HasPrefix(text, "NOPERM"):
		return "its user may not do what is needed: +@connection +get +set +pttl +eval +evalsha +hget +hset, and +cluster|slots in a Cluster, on the keys " + s.config.prefix + "* (" + text + ")"
	case strings.HasPrefix(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"):
		return "it refuses the user or password of the URL (" + text + ")"
	}
	return text
}

// rouse wakes the work in the background.
func (s *Store) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// arrived takes note of the epoch that came with an answer.
func (s *Store) arrived(epoch string) {
	s.mu.Lock()
	first := s.epoch == ""
	changed := epoch != s.epoch
	if changed {
		// At the first contact others have what they know on the server.
		if !first {
			s.doubt = time.Now().Add(doubtTime)
		}
		s.resync = true
		// Without one the heartbeat begins a new epoch, and comes back here.
		s.epoch = epoch
		if epoch == "" {
			s.epoch = "none"
		}
		s.nextHB = time.Time{}
	}
	s.mu.Unlock()
	if changed {
		s.rouse()
		if !first && epoch == "" {
			s.opt.Logf("shared store %s: it has lost its memory; this node sends what it knows, and alerts may double until the others have", s.config)
		}
	}
}

// newEpoch returns a random text.
func newEpoch() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
