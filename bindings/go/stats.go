package pinyon

import "time"

// Stats is what a cache has done since it was made, and what it holds now: see [Bytes.Stats].
type Stats struct {
	Hits, Misses                  uint64        // reads that found a value, and that found none
	Added, Replaced               uint64        // entries written where there was none, and over another
	Removed, Cleared, Invalidated uint64        // entries that left by their key, by Clear, by an invalidation once its memory was given back
	Refused                       uint64        // entries heavier than the whole cache
	Evicted, EvictedWeight        uint64        // entries that left for want of room
	Expired, ExpiredWeight        uint64        // entries whose lifetime was over, once their memory was given back
	Loads, LoadFailures           uint64        // values that loaders brought, and loads that brought none
	LoadTime                      time.Duration // what both took together, by the cache's clock
	Coalesced                     uint64        // calls that got a value which another call had loaded
	StaleLoads                    uint64        // loaded values that were not stored, because their key was written or invalidated meanwhile
	NoticesLost                   uint64        // removals that no listener is told of, because the queue was full
	DecodeErrors                  uint64        // values that a codec could not read, which [Cache.Get] takes for misses

	Waiting         uint64 // calls that wait for a load
	Entries, Weight uint64 // what is in the cache; Weight in the unit of the capacity
	Capacity        uint64
	Retired         uint64 // entries that have left, and wait for readers before their memory is given back
	OverheadBytes   uint64 // memory of the cache's own tables, outside of Go's heap if the engine is native
}

// HitRatio is hits by reads, or 0 before the first read.
func (s Stats) HitRatio() float64 {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// Sub is what was counted since an earlier reading; what the cache holds is that of s.
func (s Stats) Sub(earlier Stats) Stats {
	s.Hits -= earlier.Hits
	s.Misses -= earlier.Misses
	s.Added -= earlier.Added
	s.Replaced -= earlier.Replaced
	s.Removed -= earlier.Removed
	s.Cleared -= earlier.Cleared
	s.Invalidated -= earlier.Invalidated
	s.Refused -= earlier.Refused
	s.Evicted -= earlier.Evicted
	s.EvictedWeight -= earlier.EvictedWeight
	s.Expired -= earlier.Expired
	s.ExpiredWeight -= earlier.ExpiredWeight
	s.Loads -= earlier.Loads
	s.LoadFailures -= earlier.LoadFailures
	s.LoadTime -= earlier.LoadTime
	s.Coalesced -= earlier.Coalesced
	s.StaleLoads -= earlier.StaleLoads
	s.NoticesLost -= earlier.NoticesLost
	s.DecodeErrors -= earlier.DecodeErrors
	return s
}
