//go:build !cgo || pinyon_purego

package pinyon

// told counts what left.
func (s *shard) told(weight uint64, cause Cause) {
	switch cause {
	case Replaced:
		s.stats.Replaced++
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
	sum.OverheadBytes = sum.Entries * entryOverhead
	e.queue.mu.Lock()
	sum.NoticesLost = e.queue.lost
	e.queue.mu.Unlock()
	return sum
}

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
