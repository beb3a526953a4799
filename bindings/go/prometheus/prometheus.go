// Package prometheus is what Pinyon's caches do, as metrics.
//
//	metrics := prometheus.NewCollector()
//	metrics.Add("users", cache)
//	registry.MustRegister(metrics)
//
// Every metric has a label `cache` with the name. A scrape calls Stats once for each cache. Hit ratio: rate(pinyon_hits_total[5m]) /
// (rate(pinyon_hits_total[5m]) + rate(pinyon_misses_total[5m])).
package prometheus

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"unicode/utf8"

	client "github.com/prometheus/client_golang/prometheus"

	"pinyon"
)

// ErrTaken is the error of a name that another cache has.
var ErrTaken = errors.New("pinyon/prometheus: the name is taken")

// Cache is what has statistics: [pinyon.Bytes] and [pinyon.Cache].
type Cache interface{ Stats() pinyon.Stats }

// Collector is the metrics of any number of caches, for one registry. Its methods may be called from any goroutines at once.
type Collector struct {
	mutex  sync.RWMutex
	caches map[string]Cache
}

var _ client.Collector = (*Collector)(nil)

// NewCollector makes one of no caches.
func NewCollector() *Collector { return &Collector{caches: map[string]Cache{}} }

// Add begins to show a cache. The name, in UTF-8, tells it from others; if one has it already the error is [ErrTaken].
func (c *Collector) Add(name string, cache Cache) error {
	if cache == nil {
		return errors.New("pinyon/prometheus: Add: there is no cache")
	}
	if !utf8.ValidString(name) { // no label can be
		return fmt.Errorf("pinyon/prometheus: Add: the name %q is not UTF-8", name)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, there := c.caches[name]; there {
		return fmt.Errorf("%w: %q", ErrTaken, name)
	}
	c.caches[name] = cache
	return nil
}

// Remove ends to show a cache, as should be done before it is closed: the figures of a closed one are 0. It says whether there was one.
func (c *Collector) Remove(name string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	_, there := c.caches[name]
	delete(c.caches, name)
	return there
}

// Describe is of [client.Collector].
func (c *Collector) Describe(descriptions chan<- *client.Desc) {
	for _, m := range metrics {
		descriptions <- m.description
	}
}

// Collect is of [client.Collector].
func (c *Collector) Collect(collected chan<- client.Metric) {
	// Neither a cache nor the channel is waited for under the lock.
	c.mutex.RLock()
	caches := maps.Clone(c.caches)
	c.mutex.RUnlock()
	for name, cache := range caches {
		stats := cache.Stats()
		for _, m := range metrics {
			collected <- client.MustNewConstMetric(m.description, m.kind, m.value(&stats), name)
		}
	}
}

type metric struct {
	description *client.Desc
	kind        client.ValueType
	value       func(*pinyon.Stats) float64
}

func described(name, help string, kind client.ValueType, value func(*pinyon.Stats) float64) metric {
	return metric{client.NewDesc("pinyon_"+name, help, []string{"cache"}, nil), kind, value}
}

func counter(name, help string, value func(*pinyon.Stats) uint64) metric {
	return described(name+"_total", help, client.CounterValue, func(s *pinyon.Stats) float64 { return float64(value(s)) })
}

func gauge(name, help string, value func(*pinyon.Stats) uint64) metric {
	return described(name, help, client.GaugeValue, func(s *pinyon.Stats) float64 { return float64(value(s)) })
}

var metrics = []metric{
	counter("hits", "Reads that found a value.", func(s *pinyon.Stats) uint64 { return s.Hits }),
	counter("misses", "Reads that found none.", func(s *pinyon.Stats) uint64 { return s.Misses }),
	counter("added", "Entries written where there was none.", func(s *pinyon.Stats) uint64 { return s.Added }),
	counter("replaced", "Entries written over another.", func(s *pinyon.Stats) uint64 { return s.Replaced }),
	counter("removed", "Entries removed by their key.", func(s *pinyon.Stats) uint64 { return s.Removed }),
	counter("cleared", "Entries removed by Clear.", func(s *pinyon.Stats) uint64 { return s.Cleared }),
	counter("invalidated", "Entries that left by an invalidation.", func(s *pinyon.Stats) uint64 { return s.Invalidated }),
	counter("refused", "Entries not stored, being heavier than the cache.", func(s *pinyon.Stats) uint64 { return s.Refused }),
	counter("evicted", "Entries that left for want of room.", func(s *pinyon.Stats) uint64 { return s.Evicted }),
	counter("evicted_weight", "Weight of the entries that left for want of room.", func(s *pinyon.Stats) uint64 { return s.EvictedWeight }),
	counter("expired", "Entries whose lifetime was over.", func(s *pinyon.Stats) uint64 { return s.Expired }),
	counter("expired_weight", "Weight of the entries whose lifetime was over.", func(s *pinyon.Stats) uint64 { return s.ExpiredWeight }),
	counter("loads", "Values that loaders brought.", func(s *pinyon.Stats) uint64 { return s.Loads }),
	counter("load_failures", "Loads that brought no value.", func(s *pinyon.Stats) uint64 { return s.LoadFailures }),
	described("load_seconds_total", "Time that loads took.", client.CounterValue, func(s *pinyon.Stats) float64 { return s.LoadTime.Seconds() }),
	counter("coalesced", "Calls that got a value which another call had loaded.", func(s *pinyon.Stats) uint64 { return s.Coalesced }),
	counter("stale_loads", "Loaded values not stored, their key being written or invalidated meanwhile.", func(s *pinyon.Stats) uint64 { return s.StaleLoads }),
	counter("notices_lost", "Removals that the listener was not told of.", func(s *pinyon.Stats) uint64 { return s.NoticesLost }),
	counter("decode_errors", "Values that a codec could not read.", func(s *pinyon.Stats) uint64 { return s.DecodeErrors }),

	gauge("waiting", "Calls that wait for a load.", func(s *pinyon.Stats) uint64 { return s.Waiting }),
	gauge("entries", "Entries in the cache.", func(s *pinyon.Stats) uint64 { return s.Entries }),
	gauge("weight", "Weight of the entries, in the unit of the capacity.", func(s *pinyon.Stats) uint64 { return s.Weight }),
	gauge("capacity", "Capacity, in its unit: entries, bytes or weight.", func(s *pinyon.Stats) uint64 { return s.Capacity }),
	gauge("retired", "Entries that have left and wait for readers before their memory is given back.", func(s *pinyon.Stats) uint64 { return s.Retired }),
	gauge("overhead_bytes", "Memory of the cache's tables.", func(s *pinyon.Stats) uint64 { return s.OverheadBytes }),
}
