//go:build !cgo || pinyon_purego

package pinyon

import (
	"hash/maphash"
	"runtime"
	"sync/atomic"
	"time"
)

// engine is a cache in maps of Go, for builds without cgo: the answers of the native library, by the simplest means. Keys are spread
// over shards, each under a mutex.
//
// Invariants:
//   - weight is the sum of the weights of all entries, and is reserved before an entry is there, so it never passes capacity but
//     for a moment after that was lowered;
//   - an entry is in the map and the slots of its shard, in the index of each of its tags, in the order if it weighs something, and
//     among the ends if its life has one; or in none of them;
//   - of two shards one is locked at a time; the queue's mutex is taken with a shard's, so that the queue has each key's removals in their order;
//   - no string of a caller's is kept: it may be a [Key].
type engine struct {
	settings
	capacity atomic.Uint64
	weight   atomic.Uint64
	seed     maphash.Seed
	started  time.Time
	shards   []shard
	next     atomic.Uint32 // where to evict when the own shard has nothing
	queue    queue
}

func newEngine(s *settings) (*engine, error) {
	e := &engine{settings: *s, seed: maphash.MakeSeed(), started: time.Now(), queue: queue{room: s.queue}}
	e.capacity.Store(s.capacity)
	count := int(s.shards)
	if count == 0 && s.capacity >= 1<<12 {
		count = min(4*runtime.GOMAXPROCS(0), 64)
	}
	e.shards = make([]shard, max(count, 1))
	for i := range e.shards {
		s := &e.shards[i]
		s.order.clock, s.order.seed = e.policy == Clock, e.seed
		s.leases.start(uint64(i), uint64(len(e.shards)))
		s.renew()
	}
	return e, nil
}

func (e *engine) of(key string) *shard {
	return &e.shards[maphash.String(e.seed, key)%uint64(len(e.shards))]
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

func (e *engine) getManyInto(keys []string, values [][]byte, buffer []byte) []byte {
	e.getMany(keys, func(i int, value []byte) {
		buffer = placed(buffer, value, len(keys)-i)
		values[i] = last(buffer, len(value))
	})
	return buffer
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
		if e.knowsAge(n) {
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
	return e.peeked(key, func(s *shard, n *entry, now int64) { s.use(n, now) })
}

func (e *engine) expireAfter(key string, ttl uint64) code {
	return e.peeked(key, func(s *shard, n *entry, now int64) {
		if !e.knowsAge(n) {
			n.written = now
		}
		s.use(n, now)
		n.deadline = lifetime(now, ttl, e.ttl)
		s.ends.set(n)
		s.leases.overtake(n.key) // as by a write: what is being loaded would undo it
	})
}

func (e *engine) clear()         { e.empty(Cleared) }
func (e *engine) invalidateAll() { e.empty(Invalidated) }

func (e *engine) empty(cause Cause) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		s.leases.overtakeAll()
		for _, n := range s.entries {
			e.expel(s, n, cause)
		}
		s.renew()
		s.mu.Unlock()
	}
}

func (e *engine) invalidateTag(tag string) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		s.leases.outdate(tag)
		if of := s.tagged[tag]; of != nil {
			for n := range of.entries {
				e.expel(s, n, Invalidated)
			}
		}
		s.mu.Unlock()
	}
}

func (e *engine) setCapacity(capacity uint64) code {
	if capacity == 0 || e.unit == unitBytes && capacity < leastBytes {
		return codeArgument
	}
	e.capacity.Store(capacity)
	e.passWrites()
	e.shrink(capacity)
	return codeOK
}

// passWrites waits for the writes under way, which may have seen the capacity before: they hold the lock of a shard.
func (e *engine) passWrites() {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		s.mu.Unlock()
	}
}

func (e *engine) shrink(weight uint64) (evicted uint64) {
	for e.weight.Load() > weight && e.evictAnywhere(nil) {
		evicted++
	}
	return evicted
}

func (e *engine) maintain(budget int) code {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		now := e.now()
		s.leases.clear(s, now)
		budget = e.sweep(s, now, budget)
		more := s.ends.due(now)
		s.mu.Unlock()
		if more {
			return codeMore
		}
	}
	return codeOK
}

func (e *engine) removals(limit int) ([]Removal, code) { return e.queue.take(limit) }

// discard leaves tables that are empty: clear makes them anew.
func (e *engine) discard() { e.clear() }
