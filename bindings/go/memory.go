package pinyon

import "math"

// MemoryBytes is the most memory outside of Go's heap that a cache whose capacity is bytes may come to hold: its capacity and its
// tables as they are. Of a cache with another capacity it is the tables alone, because no bytes bound its entries.
func (b *Bytes) MemoryBytes() int64 {
	if !Native {
		return 0
	}
	s := b.Stats()
	if b.unit != unitBytes {
		return int64(s.OverheadBytes)
	}
	return int64(min(s.Capacity+s.OverheadBytes, math.MaxInt64))
}

// MemoryBytes is that of [Bytes.MemoryBytes].
func (c *Cache[K, V]) MemoryBytes() int64 { return c.bytes.MemoryBytes() }

// HeapLimit is what GOMEMLIMIT may be in a program that may use total bytes of memory and has these caches: Go's limit does not know of
// their memory, so it is total without what they may hold; at least a tenth of total, without which the collector would not rest.
//
//	debug.SetMemoryLimit(pinyon.HeapLimit(2<<30, cache))
func HeapLimit(total int64, caches ...interface{ MemoryBytes() int64 }) int64 {
	left := total
	for _, cache := range caches {
		left = max(left-cache.MemoryBytes(), 0)
	}
	return max(left, total/10)
}
