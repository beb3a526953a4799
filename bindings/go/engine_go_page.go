//go:build !cgo || pinyon_purego

package pinyon

import (
	"bytes"
	"cmp"
	"slices"
)

// A cursor is a shard and the sequence number of the last entry that was seen of it, so an entry that stays is seen once, whatever is
// written meanwhile: an overwrite keeps its number.
const sequenceBits = 48

func (e *engine) page(cursor *uint64, limit int) ([]Pair, code) {
	number, seen := int(*cursor>>sequenceBits), *cursor&(1<<sequenceBits-1)
	var pairs []Pair
	for ; number < len(e.shards); number, seen = number+1, 0 {
		s := &e.shards[number]
		s.mu.Lock()
		now := e.now()
		var rest []*entry
		for _, n := range s.entries {
			if n.sequence > seen && n.expires() > now {
				rest = append(rest, n)
			}
		}
		slices.SortFunc(rest, func(a, b *entry) int { return cmp.Compare(a.sequence, b.sequence) })
		some := rest[:min(len(rest), limit-len(pairs))]
		for _, n := range some {
			pairs = append(pairs, Pair{n.key, bytes.Clone(n.value)})
			seen = n.sequence
		}
		s.mu.Unlock()
		if len(some) < len(rest) {
			*cursor = uint64(number)<<sequenceBits | seen
			return pairs, codeOK
		}
	}
	*cursor = uint64(number) << sequenceBits
	return pairs, codeEnd
}
