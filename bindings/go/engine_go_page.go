//go:build !cgo || pinyon_purego

package pinyon

import "bytes"

// slots are places of a shard's entries, of which each keeps its own as long as it is there, overwritten or not. A cursor is a shard and a
// slot, so an entry that stays is seen once, whatever is written meanwhile.
type slots struct {
	at   []*entry
	free []int32
}

func (s *slots) add(n *entry) {
	if last := len(s.free) - 1; last >= 0 {
		n.slot, s.free = s.free[last], s.free[:last]
		s.at[n.slot] = n
		return
	}
	n.slot = int32(len(s.at))
	s.at = append(s.at, n)
}

func (s *slots) remove(n *entry) {
	s.at[n.slot] = nil
	s.free = append(s.free, n.slot)
}

const slotBits = 48

func (e *engine) page(cursor *uint64, limit int) ([]Pair, code) {
	number, slot := int(*cursor>>slotBits), int(*cursor&(1<<slotBits-1))
	var pairs []Pair
	for ; number < len(e.shards); number, slot = number+1, 0 {
		s := &e.shards[number]
		s.mu.Lock()
		now := e.now()
		for ; slot < len(s.slots.at) && len(pairs) < limit; slot++ {
			if n := s.slots.at[slot]; n != nil && n.expires() > now {
				pairs = append(pairs, Pair{n.key, bytes.Clone(n.value)})
			}
		}
		finished := slot >= len(s.slots.at)
		s.mu.Unlock()
		if !finished {
			*cursor = uint64(number)<<slotBits | uint64(slot)
			return pairs, codeOK
		}
	}
	*cursor = uint64(number) << slotBits
	return pairs, codeEnd
}
