package pinyon

import (
	"math"
	"time"
)

// advanced is a clock's time after so long; the last there is if that is past it, for then comes no other.
func advanced(now uint64, by time.Duration) uint64 {
	return now + min(uint64(max(by, 0)), math.MaxUint64-now)
}
