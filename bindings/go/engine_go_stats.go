//go:build !cgo || pinyon_purego

package pinyon

// add is the sum of what two shards have counted.
func (s Stats) add(other Stats) Stats {
	s.Hits += other.Hits
	s.Misses += other.Misses
	s.Added += other.Added
	s.Replaced += other.Replaced
	s.Removed += other.Removed
	s.Cleared += other.Cleared
	s.Invalidated += other.Invalidated
	s.Refused += other.Refused
	s.Evicted += other.Evicted
	s.EvictedWeight += other.EvictedWeight
	s.Expired += other.Expired
	s.ExpiredWeight += other.ExpiredWeight
	s.Loads += other.Loads
	s.LoadFailures += other.LoadFailures
	s.LoadTime += other.LoadTime
	s.Coalesced += other.Coalesced
	s.StaleLoads += other.StaleLoads
	s.Entries += other.Entries
	return s
}
