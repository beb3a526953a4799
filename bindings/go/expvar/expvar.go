// Package expvar shows what caches do at /debug/vars, beside the other variables of the program.
//
//	expvar.Publish("users", cache)
//
// makes the variable `users` a map: what is in [pinyon.Stats], under names like `hits`, `load_nanoseconds` and `overhead_bytes`, and `hit_ratio`.
package expvar

import (
	"encoding/json"
	"errors"
	standard "expvar"
	"fmt"
	"sync"
	"time"

	"pinyon"
)

// ErrTaken is the error of a name under which a variable is published already, by whomever.
var ErrTaken = errors.New("pinyon/expvar: the name is taken")

// Cache is what has statistics: [pinyon.Bytes] and [pinyon.Cache].
type Cache interface{ Stats() pinyon.Stats }

// Var is a cache's statistics as a variable. Each reading of it is one call of Stats.
type Var struct{ Cache Cache }

var _ standard.Var = Var{}

// figures is pinyon.Stats with names; that one converts to the other holds them to the same fields.
type figures struct {
	Hits          uint64        `json:"hits"`
	Misses        uint64        `json:"misses"`
	Added         uint64        `json:"added"`
	Replaced      uint64        `json:"replaced"`
	Removed       uint64        `json:"removed"`
	Cleared       uint64        `json:"cleared"`
	Invalidated   uint64        `json:"invalidated"`
	Refused       uint64        `json:"refused"`
	Evicted       uint64        `json:"evicted"`
	EvictedWeight uint64        `json:"evicted_weight"`
	Expired       uint64        `json:"expired"`
	ExpiredWeight uint64        `json:"expired_weight"`
	Loads         uint64        `json:"loads"`
	LoadFailures  uint64        `json:"load_failures"`
	LoadTime      time.Duration `json:"load_nanoseconds"`
	Coalesced     uint64        `json:"coalesced"`
	StaleLoads    uint64        `json:"stale_loads"`
	NoticesLost   uint64        `json:"notices_lost"`
	DecodeErrors  uint64        `json:"decode_errors"`
	Waiting       uint64        `json:"waiting"`
	Entries       uint64        `json:"entries"`
	Weight        uint64        `json:"weight"`
	Capacity      uint64        `json:"capacity"`
	Retired       uint64        `json:"retired"`
	OverheadBytes uint64        `json:"overhead_bytes"`
}

// String is the statistics in JSON.
func (v Var) String() string {
	stats := v.Cache.Stats()
	text, err := json.Marshal(struct {
		figures
		HitRatio float64 `json:"hit_ratio"`
	}{figures(stats), stats.HitRatio()})
	if err != nil {
		panic(err) // numbers can be written
	}
	return string(text)
}

var publishing sync.Mutex

// Publish makes a cache's statistics a variable of the program. If the name is taken that is [ErrTaken], and nothing is changed.
//
// Variables cannot be taken back: one that is published keeps its cache reachable, and is all zeros once that is closed.
func Publish(name string, cache Cache) (err error) {
	if cache == nil {
		return errors.New("pinyon/expvar: Publish: there is no cache")
	}
	publishing.Lock()
	defer publishing.Unlock()
	if standard.Get(name) != nil {
		return taken(name)
	}
	// Others may publish between, which the standard library takes for a panic.
	defer func() {
		if recover() != nil {
			err = taken(name)
		}
	}()
	standard.Publish(name, Var{cache})
	return nil
}

func taken(name string) error { return fmt.Errorf("%w: %q", ErrTaken, name) }
