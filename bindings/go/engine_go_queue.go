//go:build !cgo || pinyon_purego

package pinyon

import "sync"

// queue has what left until it is asked for: the last so many.
type queue struct {
	room int // 0: nothing is kept
	mu   sync.Mutex
	left []Removal
	lost uint64
}

// tell keeps what it is given, which must not change.
func (q *queue) tell(key string, value []byte, cause Cause) {
	if q.room == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.left) == q.room {
		q.left[0] = Removal{}
		q.left = q.left[1:]
		q.lost++
	}
	q.left = append(q.left, Removal{Pair{key, value}, cause})
}

// take copies, because a value may be in the hands of one who looks at it.
func (q *queue) take(limit int) ([]Removal, code) {
	q.mu.Lock()
	defer q.mu.Unlock()
	some := make([]Removal, min(limit, len(q.left)))
	for i := range some {
		some[i] = q.left[i]
		some[i].Value = append([]byte{}, some[i].Value...)
		q.left[i] = Removal{}
	}
	q.left = q.left[len(some):]
	if len(q.left) > 0 {
		return some, codeOK
	}
	q.left = nil
	return some, codeEnd
}
