package pinyon

import "fmt"

// Pair is a key and a value.
type Pair struct {
	Key   string
	Value []byte
}

// Removal is an entry that left a cache, and why.
type Removal struct {
	Pair
	Cause Cause
}

// Cause is why an entry left.
type Cause int32

const (
	Expired     Cause = 1 // its lifetime was over
	Evicted     Cause = 2 // there was need for room
	Replaced    Cause = 3 // another value was written under its key
	Removed     Cause = 4 // it was removed by its key
	Cleared     Cause = 5 // the cache was cleared
	Invalidated Cause = 6 // everything, or a tag of it, was invalidated
	Refused     Cause = 7 // it did not come in: it was heavier than the whole cache
)

var causes = [...]string{Expired: "expired", Evicted: "evicted", Replaced: "replaced", Removed: "removed", Cleared: "cleared",
	Invalidated: "invalidated", Refused: "refused"}

func (c Cause) String() string {
	if c < Expired || c > Refused {
		return fmt.Sprintf("Cause(%d)", int32(c))
	}
	return causes[c]
}
