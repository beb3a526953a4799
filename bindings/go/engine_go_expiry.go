//go:build !cgo || pinyon_purego

package pinyon

import (
	"math"
	"time"
)

// endless is a time that does not come.
const endless = math.MaxInt64

func (e *engine) now() int64 {
	if e.clock != nil {
		return int64(min(e.clock.now.Load(), endless-1))
	}
	return int64(time.Since(e.started))
}

// after is a time in so many milliseconds.
func after(now int64, ms uint64) int64 {
	if ms >= uint64(endless-now)/uint64(time.Millisecond) {
		return endless
	}
	return now + int64(ms)*int64(time.Millisecond)
}

// lifetime is the end of one of given milliseconds, or of the cache's own (0: none).
func lifetime(now int64, given, own uint64) int64 {
	if given == 0 {
		given = own
	}
	if given == 0 || given == forever {
		return endless
	}
	return after(now, given)
}

// expires is the end of an entry's life.
func (n *entry) expires() int64 {
	if n.idle == endless || n.read > endless-n.idle {
		return n.deadline
	}
	return min(n.deadline, n.read+n.idle)
}

// knowsAge says whether the library keeps when an entry was written: only then it has an age, and is due to be loaded again.
func (e *engine) knowsAge(n *entry) bool {
	return e.trackAge || e.refreshAfter != 0 || n.expires() != endless
}

// ends are the entries whose life has an end, as a binary heap by when it is to be looked at. A read that puts the end off leaves an entry
// where it is, to be looked at too early.
type ends []*entry

func (h *ends) due(now int64) bool { return len(*h) > 0 && (*h)[0].due <= now }

// set puts an entry where its end belongs.
func (h *ends) set(n *entry) {
	was, is := n.due, n.expires()
	switch {
	case is == endless:
		h.remove(n)
	case was == endless:
		n.due, n.end = is, int32(len(*h))
		*h = append(*h, n)
		h.up(n)
	case is < was:
		n.due = is
		h.up(n)
	default:
		n.due = is
		h.down(n)
	}
}

func (h *ends) remove(n *entry) {
	if n.due == endless {
		return
	}
	n.due = endless
	last := len(*h) - 1
	other := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	if other != n {
		other.end = n.end
		(*h)[n.end] = other
		h.up(other)
		h.down(other)
	}
}

func (h ends) up(n *entry) {
	for n.end > 0 {
		parent := h[(n.end-1)/2]
		if parent.due <= n.due {
			return
		}
		h.swap(parent, n)
	}
}

func (h ends) down(n *entry) {
	for {
		i := 2*int(n.end) + 1
		if i >= len(h) {
			return
		}
		if i+1 < len(h) && h[i+1].due < h[i].due {
			i++
		}
		if n.due <= h[i].due {
			return
		}
		h.swap(n, h[i])
	}
}

func (h ends) swap(a, b *entry) {
	h[a.end], h[b.end] = b, a
	a.end, b.end = b.end, a.end
}

// sweep looks at the entries whose end may have come, and takes out those that have expired; it returns how many steps it did not need.
func (e *engine) sweep(s *shard, now int64, steps int) int {
	for ; steps > 0 && s.ends.due(now); steps-- {
		if n := s.ends[0]; n.expires() <= now {
			e.expel(s, n, Expired)
		} else {
			s.ends.set(n)
		}
	}
	return steps
}
