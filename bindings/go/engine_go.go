//go:build !cgo || pinyon_purego

package pinyon

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// engine is a cache in maps of Go, for builds without cgo: the answers of the native library, by the simplest means. Keys are spread
// over shards, each under a mutex.
//
// Invariants:
//   - weight is the sum of the weights of all entries, and is reserved before an entry is there, so it never passes capacity but
//     for a moment after that was lowered;
//   - an entry is in the map of its shard, in its list, and in the index of each of its tags, or in none of them;
//   - of two shards one is locked at a time; the queue's mutex is taken with a shard's, so that the queue has each key's removals in their order.
type engine struct {
	settings
	capacity atomic.Uint64
	weight   atomic.Uint64
	seed     maphash.Seed
	started  time.Time
	shards   []shard
	next     atomic.Uint32 // where to evict when the own shard has nothing

	queue struct {
		mu   sync.Mutex
		left []Removal
		lost uint64
	}
	swept struct {
		mu    sync.Mutex
		shard int
	}
}

type shard struct {
	mu      sync.Mutex
	entries map[string]*entry
	order   list
	tagged  map[string]map[*entry]struct{}
	leases  leases
	sweep   *entry // the next to be looked at for its lifetime
	last    uint64 // sequence number of the last entry
	stats   Stats
}

// entry is never shown outside of its shard's lock, but for its value, whose bytes never change.
type entry struct {
	key        string
	value      []byte
	weight     uint64
	given      bool  // the weight is the user's
	used       bool  // since the hand came past
	written    int64 // by the clock, in nanoseconds
	deadline   int64 // endless: none
	idle       int64 // endless: none
	read       int64
	sequence   uint64
	tags       []string
	prev, next *entry
}

// endless is a time that does not come.
const endless = math.MaxInt64

// What an entry takes beside the bytes of its key and value: itself, and its place in a map.
const entryOverhead = uint64(unsafe.Sizeof(entry{})) + 40

func newEngine(s *settings) (*engine, error) {
	e := &engine{settings: *s, seed: maphash.MakeSeed(), started: time.Now()}
	e.capacity.Store(s.capacity)
	count := int(s.shards)
	if count == 0 && s.capacity >= 1<<12 {
		count = min(4*runtime.GOMAXPROCS(0), 64)
	}
	e.shards = make([]shard, max(count, 1))
	for i := range e.shards {
		s := &e.shards[i]
		s.entries, s.tagged = make(map[string]*entry), make(map[string]map[*entry]struct{})
		s.leases.start(uint64(i), uint64(len(e.shards)))
		s.order.rotates = e.policy == Clock
	}
	return e, nil
}

func (e *engine) of(key string) *shard {
	return &e.shards[maphash.String(e.seed, key)%uint64(len(e.shards))]
}

func (e *engine) now() int64 {
	if e.clock != nil {
		return int64(e.clock.now.Load())
	}
	return int64(time.Since(e.started))
}

// after is a time in so many milliseconds.
func after(now int64, ms uint64) int64 {
	if ms >= uint64(endless-now)/uint64(time.Millisecond) {
		return endless
	}
	return now + int64(ms)*int64(time.Millisecond)
}

// expires is the end of an entry's life.
func (n *entry) expires() int64 {
	if n.idle == endless || n.read > endless-n.idle {
		return n.deadline
	}
	return min(n.deadline, n.read+n.idle)
}

// live is the entry of a key, which is taken out if its life is over.
func (e *engine) live(s *shard, key string, now int64) *entry {
	n := s.entries[key]
	if n != nil && n.expires() <= now {
		e.expel(s, n, Expired)
		return nil
	}
	return n
}

// found is live for a read, which counts and is a use.
func (e *engine) found(s *shard, key string) *entry {
	now := e.now()
	n := e.live(s, key, now)
	switch {
	case n == nil:
		s.count(&s.stats.Misses, e)
	default:
		s.count(&s.stats.Hits, e)
		n.used, n.read = true, now
	}
	return n
}

func (s *shard) count(counter *uint64, e *engine) {
	if !e.withoutStats {
		*counter++
	}
}

// expel takes an entry out, and tells why.
func (e *engine) expel(s *shard, n *entry, cause Cause) {
	s.untag(n)
	if s.sweep == n {
		s.sweep = n.prev
	}
	s.order.remove(n)
	delete(s.entries, n.key)
	e.weight.Add(-n.weight)
	s.told(n.weight, cause)
	e.tell(n.key, n.value, cause)
}

// told counts what left.
func (s *shard) told(weight uint64, cause Cause) {
	switch cause {
	case Expired:
		s.stats.Expired++
		s.stats.ExpiredWeight += weight
	case Evicted:
		s.stats.Evicted++
		s.stats.EvictedWeight += weight
	case Removed:
		s.stats.Removed++
	case Cleared:
		s.stats.Cleared++
	case Invalidated:
		s.stats.Invalidated++
	case Refused:
		s.stats.Refused++
	}
}

func (e *engine) tell(key string, value []byte, cause Cause) {
	if e.settings.queue == 0 {
		return
	}
	q := &e.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.left) == e.settings.queue {
		q.left = q.left[1:]
		q.lost++
	}
	q.left = append(q.left, Removal{Pair{key, value}, cause})
}

func (s *shard) tag(n *entry, tags []string) {
	for _, tag := range tags {
		of := s.tagged[tag]
		if of == nil {
			of = make(map[*entry]struct{})
			s.tagged[tag] = of
		}
		of[n] = struct{}{}
	}
	n.tags = append([]string(nil), tags...)
}

func (s *shard) untag(n *entry) {
	for _, tag := range n.tags {
		delete(s.tagged[tag], n)
		if len(s.tagged[tag]) == 0 {
			delete(s.tagged, tag)
		}
	}
	n.tags = nil
}

func (e *engine) get(key string, dst []byte) ([]byte, code) {
	c := e.view(key, func(value []byte) { dst = append(dst, value...) })
	return dst, c
}

func (e *engine) view(key string, look func([]byte)) code {
	s := e.of(key)
	s.mu.Lock()
	n := e.found(s, key)
	var value []byte
	if n != nil {
		value = n.value
	}
	s.mu.Unlock()
	if n == nil {
		return codeMiss
	}
	look(value)
	return codeOK
}

func (e *engine) getMany(keys []string, each func(int, []byte)) {
	for i, key := range keys {
		e.view(key, func(value []byte) { each(i, value) })
	}
}

// peeked calls look with the entry of a key under the shard's lock.
func (e *engine) peeked(key string, look func(s *shard, n *entry, now int64)) code {
	s := e.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := e.now()
	n := e.live(s, key, now)
	if n == nil {
		return codeMiss
	}
	look(s, n, now)
	return codeOK
}

func (e *engine) contains(key string) code {
	return e.peeked(key, func(*shard, *entry, int64) {})
}

func (e *engine) metadata(key string) (m metadata, c code) {
	c = e.peeked(key, func(_ *shard, n *entry, now int64) {
		m = metadata{age: forever, remaining: forever, idle: forever, weight: n.weight}
		if e.trackAge || n.expires() != endless {
			m.age = uint64(now-n.written) / uint64(time.Millisecond)
		}
		if end := n.expires(); end != endless {
			m.remaining = uint64(end-now+int64(time.Millisecond)-1) / uint64(time.Millisecond)
		}
		if n.idle != endless {
			m.idle = uint64(n.idle) / uint64(time.Millisecond)
		}
	})
	return m, c
}

func (e *engine) touch(key string) code {
	return e.peeked(key, func(_ *shard, n *entry, now int64) { n.used, n.read = true, now })
}

func (e *engine) expireAfter(key string, ttl uint64) code {
	return e.peeked(key, func(_ *shard, n *entry, now int64) {
		n.used, n.read = true, now
		n.deadline = e.lifetime(now, ttl, e.ttl)
	})
}

// lifetime is the end of one of given milliseconds, or of the cache's own (0: none).
func (e *engine) lifetime(now int64, given, own uint64) int64 {
	if given == 0 {
		given = own
	}
	if given == 0 || given == forever {
		return endless
	}
	return after(now, given)
}

// written is what a write decides, under the shard's lock, from what is there (nil: nothing).
type written struct {
	code  code // other than codeOK: nothing is written
	value []byte
	w     *write
	// of the old entry stay lifetimes, and a weight that was given
	keeps bool
}

// change writes what decide says; decide may be called again.
func (e *engine) change(key string, decide func(s *shard, old *entry) written) code {
	for {
		c, again := e.changed(key, decide)
		if !again {
			return c
		}
		e.evictAnywhere()
	}
}

var plain write

func (e *engine) changed(key string, decide func(*shard, *entry) written) (c code, again bool) {
	s := e.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := e.now()
	e.sweep(s, now, 2)
	old := e.live(s, key, now)
	d := decide(s, old)
	if d.code != codeOK {
		return d.code, false
	}
	if d.w == nil {
		d.w = &plain
	}
	weight, given := e.weigh(key, d, old)
	if weight > e.capacity.Load() {
		if old != nil {
			e.expel(s, old, Replaced)
		}
		s.leases.overtake(key)
		s.told(weight, Refused)
		e.tell(key, bytes.Clone(d.value), Refused)
		return codeTooHeavy, false
	}
	if !e.reserve(s, old, weight) {
		return codeOK, true
	}
	s.leases.overtake(key)
	n := old
	if n == nil {
		s.last++
		n = &entry{key: string(append([]byte(nil), key...)), sequence: s.last}
		s.entries[n.key] = n
		s.order.push(n)
		s.stats.Added++
	} else {
		s.stats.Replaced++
		e.tell(key, n.value, Replaced)
		s.untag(n)
		n.used = true
	}
	n.value, n.weight, n.given = append([]byte{}, d.value...), weight, given
	if !d.keeps || old == nil {
		n.written = now
		n.deadline = e.lifetime(now, d.w.ttl, e.ttl)
		n.idle = e.lifetime(0, d.w.idle, e.idle)
	}
	n.read = now
	s.tag(n, d.w.tags)
	return codeOK, false
}

// weigh is what an entry weighs, and whether its user said so.
func (e *engine) weigh(key string, d written, old *entry) (weight uint64, given bool) {
	switch {
	case d.keeps && old != nil && (old.given || e.unit != unitBytes):
		return old.weight, old.given
	case d.w.weightless:
		return 0, true
	case e.unit == unitEntries:
		return 1, false
	case d.w.weight != 0:
		return d.w.weight, true
	case e.unit == unitWeight:
		return 1, false
	}
	return uint64(len(key)+len(d.value)) + entryOverhead, false
}

// reserve takes weight for an entry in place of an old one, for which it evicts others of the shard; false: there are none.
func (e *engine) reserve(s *shard, old *entry, weight uint64) bool {
	var less uint64
	if old != nil {
		less = old.weight
	}
	for {
		sum := e.weight.Load()
		if weight <= less || sum+weight-less <= e.capacity.Load() {
			if e.weight.CompareAndSwap(sum, sum+weight-less) {
				return true
			}
			continue
		}
		victim := s.order.victim(old)
		if victim == nil {
			return false
		}
		e.expel(s, victim, Evicted)
	}
}

// evictAnywhere evicts one entry of any shard; false: there is none.
func (e *engine) evictAnywhere() bool {
	from := int(e.next.Add(1))
	for i := range e.shards {
		s := &e.shards[(from+i)%len(e.shards)]
		s.mu.Lock()
		victim := s.order.victim(nil)
		if victim != nil {
			e.expel(s, victim, Evicted)
		}
		s.mu.Unlock()
		if victim != nil {
			return true
		}
	}
	return false
}

func (e *engine) set(key string, value []byte, w *write) code {
	return e.change(key, func(_ *shard, old *entry) written {
		if w != nil {
			switch {
			case w.condition == ifAbsent && old != nil:
				return written{code: codeNotStored}
			case (w.condition == ifPresent || w.condition == ifEqual) && old == nil:
				return written{code: codeMiss}
			case w.condition == ifEqual && !bytes.Equal(old.value, w.expected):
				return written{code: codeNotStored}
			}
		}
		return written{value: value, w: w}
	})
}

func (e *engine) setMany(pairs []Pair, w *write, codes []code) {
	for i, pair := range pairs {
		codes[i] = e.set(pair.Key, pair.Value, w)
	}
}

func (e *engine) counterAdd(key string, delta, initial int64, w *write) (now int64, c code) {
	c = e.change(key, func(_ *shard, old *entry) written {
		now = initial
		if old != nil {
			if len(old.value) != 8 {
				now = 0
				return written{code: codeNotCounter}
			}
			was := int64(binary.LittleEndian.Uint64(old.value))
			now = was + delta
			if (delta > 0) != (now > was) && delta != 0 {
				now = 0
				return written{code: codeOverflow}
			}
			return written{value: binary.LittleEndian.AppendUint64(nil, uint64(now)), keeps: true}
		}
		return written{value: binary.LittleEndian.AppendUint64(nil, uint64(now)), w: w}
	})
	return now, c
}

func (e *engine) remove(key string) code {
	_, c := e.take(key, nil)
	return c
}

func (e *engine) removeMany(keys []string, codes []code) {
	for i, key := range keys {
		codes[i] = e.remove(key)
	}
}

func (e *engine) take(key string, dst []byte) ([]byte, code) {
	s := e.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases.overtake(key)
	n := e.live(s, key, e.now())
	if n == nil {
		return dst, codeMiss
	}
	e.expel(s, n, Removed)
	return append(dst, n.value...), codeOK
}

func (e *engine) clear()         { e.empty(Cleared) }
func (e *engine) invalidateAll() { e.empty(Invalidated) }

func (e *engine) empty(cause Cause) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		s.leases.overtakeAll()
		now := e.now()
		for _, n := range s.entries {
			if n.expires() <= now {
				e.expel(s, n, Expired)
			} else {
				e.expel(s, n, cause)
			}
		}
		s.mu.Unlock()
	}
}

func (e *engine) invalidateTag(tag string) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		s.leases.outdate(tag)
		for n := range s.tagged[tag] {
			e.expel(s, n, Invalidated)
		}
		s.mu.Unlock()
	}
}

// sweep looks at the lifetimes of some entries, and takes out those that have expired; it returns how many it did not need to look at.
func (e *engine) sweep(s *shard, now int64, steps int) int {
	for ; steps > 0; steps-- {
		if s.sweep == nil {
			if s.sweep = s.order.tail; s.sweep == nil {
				return steps
			}
		}
		n := s.sweep
		s.sweep = n.prev
		if n.expires() <= now {
			e.expel(s, n, Expired)
		}
		if s.sweep == nil {
			return steps - 1
		}
	}
	return 0
}

func (e *engine) maintain(budget int) code {
	e.swept.mu.Lock()
	defer e.swept.mu.Unlock()
	for range e.shards {
		s := &e.shards[e.swept.shard]
		s.mu.Lock()
		s.leases.end(time.Now(), s)
		budget = e.sweep(s, e.now(), budget)
		finished := s.sweep == nil
		s.mu.Unlock()
		if !finished {
			return codeMore
		}
		e.swept.shard = (e.swept.shard + 1) % len(e.shards)
		if budget <= 0 && e.swept.shard != 0 {
			return codeMore
		}
	}
	return codeOK
}

func (e *engine) removals(limit int) ([]Removal, code) {
	q := &e.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	some := q.left[:min(limit, len(q.left))]
	q.left = q.left[len(some):]
	for i := range some {
		some[i].Value = append([]byte{}, some[i].Value...)
	}
	if len(q.left) == 0 {
		q.left = nil
		return some, codeEnd
	}
	return some, codeOK
}

func (e *engine) count() (count uint64) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		count += uint64(len(s.entries))
		s.mu.Unlock()
	}
	return count
}

func (e *engine) stats() (sum Stats) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		each := s.stats
		each.Entries = uint64(len(s.entries))
		s.mu.Unlock()
		sum = sum.add(each)
	}
	sum.Weight, sum.Capacity = e.weight.Load(), e.capacity.Load()
	e.queue.mu.Lock()
	sum.NoticesLost = e.queue.lost
	e.queue.mu.Unlock()
	return sum
}

func (e *engine) setCapacity(capacity uint64) code {
	if capacity == 0 {
		return codeArgument
	}
	e.capacity.Store(capacity)
	e.shrink(capacity)
	return codeOK
}

func (e *engine) shrink(weight uint64) (evicted uint64) {
	for e.weight.Load() > weight && e.evictAnywhere() {
		evicted++
	}
	return evicted
}

func (e *engine) discard() { e.clear() }
