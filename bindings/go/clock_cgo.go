//go:build cgo && !pinyon_purego

package pinyon

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// ManualClock is a clock for tests that stands still until it is advanced: see [WithClock]. It may be shared by caches.
type ManualClock struct {
	now *uint64 // in C's memory, where the library reads it
}

// NewManualClock makes a clock.
func NewManualClock() *ManualClock {
	now := (*uint64)(C.calloc(1, 8))
	clock := &ManualClock{now}
	runtime.AddCleanup(clock, func(p unsafe.Pointer) { C.free(p) }, unsafe.Pointer(now))
	return clock
}

// Advance moves the clock; back it does not go: a negative time is nothing, and the last time there is stays.
func (c *ManualClock) Advance(by time.Duration) {
	for now := atomic.LoadUint64(c.now); !atomic.CompareAndSwapUint64(c.now, now, advanced(now, by)); {
		now = atomic.LoadUint64(c.now)
	}
	runtime.KeepAlive(c)
}
