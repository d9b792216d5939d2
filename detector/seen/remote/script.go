package remote

import (
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"fluent-bit-newterms/detector/seen"
)

// The scripts run on the server, where they are atomic. Each touches one key.
// Numbers reach Lua as doubles, which hold unix milliseconds exactly.

// claimScript decides about one tuple.
//
//	ARGV: owner(8 bytes) first last count window grain claimTTL seenTTL
//	reply: {kind, first, last, count, ms}: what was known before; how long
//	another's claim still lasts
var claimScript = redis.NewScript(`
local owner = ARGV[1]
local first, last, count = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local window, grain = tonumber(ARGV[5]), tonumber(ARGV[6])
local v = redis.call('GET', KEYS[1])
local kind, f, l, n = 1, 0, 0, 0
if v and #v >= 17 then
  f, l, n = struct.unpack('>I6I6I4', v, 2)
  if string.sub(v, 1, 1) == 'C' then
    if string.sub(v, 18) ~= owner then
      return {4, f, l, n, redis.call('PTTL', KEYS[1])}
    end
    first, last, count = math.min(first, f), math.max(last, l), math.max(count, n)
    f, l, n = 0, 0, 0
  elseif window == 0 or first - l <= window + grain then
    v = 'S' .. struct.pack('>I6I6I4', math.min(first, f), math.max(last, l), math.min(n + count, 4294967295))
    if tonumber(ARGV[8]) > 0 then
      redis.call('SET', KEYS[1], v, 'PX', ARGV[8])
    else
      redis.call('SET', KEYS[1], v)
    end
    return {3, f, l, n, 0}
  else
    kind = 2
  end
end
redis.call('SET', KEYS[1], 'C' .. struct.pack('>I6I6I4', first, last, count) .. owner, 'PX', ARGV[7])
return {kind, f, l, n, 0}
`)

// markScript notes that a tuple is seen: by the node that claimed it, by one that
// decided alone, or again. A claim stands if the sighting that is claimed is new
// all the same: later than the one noted by more than the window.
//
//	ARGV: first last count seenTTL window grain
var markScript = redis.NewScript(`
local first, last, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local window, grain = tonumber(ARGV[5]), tonumber(ARGV[6])
local v = redis.call('GET', KEYS[1])
if v and #v >= 17 then
  local f, l, n = struct.unpack('>I6I6I4', v, 2)
  if string.sub(v, 1, 1) == 'C' and window > 0 and f - last > window + grain then
    return 0
  end
  first, last, count = math.min(first, f), math.max(last, l), math.min(n + count, 4294967295)
end
v = 'S' .. struct.pack('>I6I6I4', first, last, count)
if tonumber(ARGV[4]) > 0 then
  redis.call('SET', KEYS[1], v, 'PX', ARGV[4])
else
  redis.call('SET', KEYS[1], v)
end
return 1
`)

// beatScript returns the epoch, which it begins if there is none. It writes and runs
// a script, so that what cannot do either does not pass for healthy.
//
//	ARGV: a new epoch
var beatScript = redis.NewScript(`
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
`)

// baselineScript merges what nodes know about a rule's learning.
//
//	ARGV: id fingerprint since(0 for not yet) done(0 or 1)
//	reply: {since, done}
var baselineScript = redis.NewScript(`
local since = tonumber(ARGV[3])
local old = tonumber(redis.call('HGET', KEYS[1], 'since') or '0')
if since == 0 or (old > 0 and old < since) then since = old end
local done = redis.call('HGET', KEYS[1], 'done') or '0'
if ARGV[4] == '1' then done = '1' end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'fingerprint', ARGV[2], 'since', string.format('%.0f', since), 'done', done)
return {since, tonumber(done)}
`)

// Kind is what the server says of a tuple.
type Kind uint8

// The kinds of an Answer. The first is that of a tuple nobody asked about.
const (
	Unasked Kind = iota
	New          // never seen anywhere; it is claimed for this node
	Expired      // seen, but longer ago than the window; it is claimed for this node
	Known        // seen inside the window
	Claimed      // another node has claimed it and not yet marked it
	Down         // the server did not answer: the node decides by itself
)

// Answer is what the server says of a tuple.
type Answer struct {
	Kind Kind
	// Previous is what the server knew before: of Expired and Known.
	Previous seen.Sighting
	// Novel: bit i is set if no node has seen the request's term i.
	Novel uint32
	// Doubt: the server has lost its memory of late, and other nodes may not
	// have sent it theirs yet: what it calls New may be known.
	Doubt bool
}

// Ours tells whether the tuple is claimed for this node.
func (a *Answer) Ours() bool { return a.Kind == New || a.Kind == Expired }

// errReply says that the server answers what no script of ours does.
var errReply = errors.New("the server's answer makes no sense; is something else using the same keys?")

// parseAnswer reads the reply of claimScript.
func parseAnswer(reply any) (Answer, error) {
	list, _ := reply.([]any)
	var n [5]int64
	if len(list) != len(n) {
		return Answer{Kind: Down}, errReply
	}
	for i := range n {
		v, ok := list[i].(int64)
		if !ok {
			return Answer{Kind: Down}, errReply
		}
		n[i] = v
	}
	const maxTime = 1<<48 - 1
	if n[0] < int64(New) || n[0] > int64(Claimed) || n[1] < 0 || n[1] > maxTime || n[2] < 0 || n[2] > maxTime || n[3] < 0 {
		return Answer{Kind: Down}, fmt.Errorf("%w (%v)", errReply, n)
	}
	a := Answer{Kind: Kind(n[0])}
	if a.Kind == Expired || a.Kind == Known {
		a.Previous = seen.Sighting{First: n[1], Last: n[2], Count: uint32(min(n[3], 1<<32-1))}
	}
	return a, nil
}
