//go:build !cgo || pinyon_purego

package pinyon

import (
	"strings"
	"sync"
	"unsafe"
)

type shard struct {
	mu      sync.Mutex
	entries map[string]*entry
	slots   slots
	order   order
	ends    ends
	tagged  map[string]*tagged
	leases  leases
	stats   Stats
}

// entry is never shown outside of its shard's lock, but for its value, whose bytes never change.
type entry struct {
	key        string
	value      []byte
	weight     uint64
	written    int64 // by the clock, in nanoseconds
	deadline   int64 // endless: none
	idle       int64 // endless: none
	read       int64
	due        int64 // when its end is looked at: not after it expires; endless: it is not among the ends
	end, slot  int32 // its places among the ends, and in the slots
	isIn       place // in the order
	uses       uint8 // since the order was asked for a victim
	tags       []*tagged
	prev, next *entry // in the queue
}

// What an entry takes beside the bytes of its key and value: itself, and its places in a map and in the slots.
const entryOverhead = uint64(unsafe.Sizeof(entry{})) + 48

// tagged are the entries of a tag.
type tagged struct {
	tag     string
	entries map[*entry]struct{}
}

// renew makes the tables of a shard that is empty.
func (s *shard) renew() {
	s.entries, s.tagged = make(map[string]*entry), make(map[string]*tagged)
	s.slots, s.ends, s.order.ghosts = slots{}, nil, ghosts{}
}

func (s *shard) add(key string) *entry {
	n := &entry{key: strings.Clone(key), due: endless}
	s.entries[n.key] = n
	s.slots.add(n)
	return n
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
	if n != nil {
		s.use(n, now)
	}
	if !e.withoutStats {
		if n != nil {
			s.stats.Hits++
		} else {
			s.stats.Misses++
		}
	}
	return n
}

func (s *shard) use(n *entry, now int64) {
	s.order.use(n)
	n.read = now
}

// expel takes an entry out, and tells why.
func (e *engine) expel(s *shard, n *entry, cause Cause) {
	s.untag(n)
	s.ends.remove(n)
	s.order.remove(n)
	s.slots.remove(n)
	delete(s.entries, n.key)
	e.weight.Add(-n.weight)
	s.told(n.weight, cause)
	e.queue.tell(n.key, n.value, cause)
}

func (s *shard) tag(n *entry, tags []string) {
	for _, tag := range tags {
		of := s.tagged[tag]
		if of == nil {
			of = &tagged{strings.Clone(tag), make(map[*entry]struct{})}
			s.tagged[of.tag] = of
		}
		of.entries[n] = struct{}{}
		n.tags = append(n.tags, of)
	}
}

func (s *shard) untag(n *entry) {
	for _, of := range n.tags {
		delete(of.entries, n)
		if len(of.entries) == 0 {
			delete(s.tagged, of.tag)
		}
	}
	n.tags = nil
}
