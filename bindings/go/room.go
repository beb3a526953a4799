package pinyon

import "sync"

// room is kept for the bytes of a key and a value.
type room struct{ key, value []byte }

var rooms = sync.Pool{New: func() any { return &room{make([]byte, 0, 64), make([]byte, 0, 512)} }}

func (r *room) release() {
	if cap(r.key)+cap(r.value) <= largestKept {
		rooms.Put(r)
	}
}

// What has grown above this many bytes is left to the collector.
const largestKept = 1 << 20
