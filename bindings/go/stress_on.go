//go:build pinyon_gcstress

package pinyon

import (
	"runtime"
	"sync/atomic"
)

var calls atomic.Uint32

// stress collects garbage before every few calls of C, so that an engine or a buffer which is not kept alive for the
// length of a call is freed in it, and the tests come to see that.
func stress() {
	if calls.Add(1)%8 == 0 {
		runtime.GC()
	}
}
