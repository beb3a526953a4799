//go:build !cgo || pinyon_purego

package pinyon

import (
	"sync/atomic"
	"time"
)

// ManualClock is a clock for tests that stands still until it is advanced: see [WithClock]. It may be shared by caches.
type ManualClock struct {
	now atomic.Uint64 // nanoseconds
}

// NewManualClock makes a clock.
func NewManualClock() *ManualClock { return new(ManualClock) }

// Advance moves the clock; back it does not go: a negative time is nothing, and the last time there is stays.
func (c *ManualClock) Advance(by time.Duration) {
	for now := c.now.Load(); !c.now.CompareAndSwap(now, advanced(now, by)); {
		now = c.now.Load()
	}
}
