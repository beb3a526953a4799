//go:build !cgo || pinyon_purego

package pinyon

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// written is what a write decides, under the shard's lock, from what is there (nil: nothing).
type written struct {
	code  code // other than codeOK: nothing is written
	value []byte
	w     *write
	// of the old entry stay lifetimes, and its weight: of bytes only that of one that weighs nothing
	keeps bool
}

// change writes what decide says; decide may be called again.
func (e *engine) change(key string, decide func(s *shard, old *entry) written) code {
	for {
		c, old, again := e.changed(key, decide)
		if !again {
			return c
		}
		e.evictAnywhere(old)
	}
}

var plain write

// changed is one attempt at a change; again: its shard has nothing to evict but the entry itself, and others must make room.
func (e *engine) changed(key string, decide func(*shard, *entry) written) (c code, old *entry, again bool) {
	s := e.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := e.now()
	e.sweep(s, now, 2)
	old = e.live(s, key, now)
	d := decide(s, old)
	if d.code != codeOK {
		return d.code, nil, false
	}
	if d.w == nil {
		d.w = &plain
	}
	weight := e.weigh(key, d, old)
	if weight > e.capacity.Load() {
		e.refuse(s, key, d.value, old, weight)
		return codeTooHeavy, nil, false
	}
	if !e.reserve(s, old, weight) {
		return codeOK, old, true
	}
	s.leases.overtake(key)
	n := old
	if n == nil {
		n = s.add(key)
		s.stats.Added++
	} else {
		s.stats.Replaced++
		e.queue.tell(n.key, n.value, Replaced)
		s.untag(n)
		s.order.use(n)
	}
	n.value = append([]byte{}, d.value...)
	if !d.keeps || old == nil {
		n.deadline = lifetime(now, d.w.ttl, e.ttl)
		n.idle = lifetime(0, d.w.idle, e.idle)
	}
	n.written, n.read = now, now
	s.tag(n, d.w.tags)
	s.ends.set(n)
	s.order.set(n, weight)
	return codeOK, nil, false
}

func (e *engine) refuse(s *shard, key string, value []byte, old *entry, weight uint64) {
	if old != nil {
		e.expel(s, old, Replaced)
	}
	s.leases.overtake(key)
	s.told(weight, Refused)
	if e.queue.room > 0 {
		e.queue.tell(strings.Clone(key), bytes.Clone(value), Refused)
	}
}

// weigh is what an entry weighs.
func (e *engine) weigh(key string, d written, old *entry) uint64 {
	switch {
	case e.unit == unitEntries:
		return 1
	case d.keeps && old != nil && (e.unit != unitBytes || old.weight == 0):
		return old.weight
	case d.w.weightless:
		return 0
	case d.w.weight != 0:
		return d.w.weight
	case e.unit == unitWeight:
		return 1
	}
	return uint64(len(key)+len(d.value)) + entryOverhead
}

// reserve takes weight for an entry in place of an old one, for which it evicts others of the shard; false: there are none.
func (e *engine) reserve(s *shard, old *entry, weight uint64) bool {
	var less uint64
	if old != nil {
		less = old.weight
	}
	for {
		sum, capacity := e.weight.Load(), e.capacity.Load()
		if weight <= less || weight <= capacity && sum-less <= capacity-weight {
			if e.weight.CompareAndSwap(sum, sum-less+weight) {
				return true
			}
			continue
		}
		if weight > capacity { // by now: it was lowered
			return false
		}
		victim := s.order.victim(old)
		if victim == nil {
			return false
		}
		e.expel(s, victim, Evicted)
	}
}

// evictAnywhere evicts one entry of any shard, but not one that must stay; false: there is none.
func (e *engine) evictAnywhere(stays *entry) bool {
	from := int(e.next.Add(1) % uint32(len(e.shards)))
	for i := range e.shards {
		s := &e.shards[(from+i)%len(e.shards)]
		s.mu.Lock()
		victim := s.order.victim(stays)
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
				return written{code: codeNotCounter}
			}
			was := int64(binary.LittleEndian.Uint64(old.value))
			now = was + delta
			if (delta > 0) != (now > was) && delta != 0 {
				return written{code: codeOverflow}
			}
			return written{value: binary.LittleEndian.AppendUint64(nil, uint64(now)), keeps: true}
		}
		return written{value: binary.LittleEndian.AppendUint64(nil, uint64(now)), w: w}
	})
	if c != codeOK {
		return 0, c
	}
	return now, codeOK
}

func (e *engine) remove(key string) code {
	_, c := e.removed(key)
	return c
}

func (e *engine) removeMany(keys []string, codes []code) {
	for i, key := range keys {
		codes[i] = e.remove(key)
	}
}

func (e *engine) take(key string, dst []byte) ([]byte, code) {
	value, c := e.removed(key)
	return append(dst, value...), c
}

func (e *engine) removed(key string) ([]byte, code) {
	s := e.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases.overtake(key)
	n := e.live(s, key, e.now())
	if n == nil {
		return nil, codeMiss
	}
	e.expel(s, n, Removed)
	return n.value, codeOK
}
