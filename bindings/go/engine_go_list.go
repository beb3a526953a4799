//go:build !cgo || pinyon_purego

package pinyon

// list is the order in which a shard's entries came, the newest at its head, and the hand that looks for one to evict, from the oldest
// on. An entry that was used since the hand came past is passed over. With rotates it goes to the head then, which is CLOCK (Corbató, 1968);
// else it stays, so that what is new is tried before what has proved itself, which is SIEVE (Zhang et al., NSDI 2024).
type list struct {
	head, tail *entry
	hand       *entry // nil: at the tail
	length     int
	rotates    bool
}

func (l *list) push(n *entry) {
	n.prev, n.next = nil, l.head
	if l.head != nil {
		l.head.prev = n
	} else {
		l.tail = n
	}
	l.head = n
	l.length++
}

func (l *list) remove(n *entry) {
	if l.hand == n {
		l.hand = n.prev
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		l.head = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		l.tail = n.prev
	}
	n.prev, n.next = nil, nil
	l.length--
}

// victim is an entry to evict, other than one that must stay; nil: there is none.
func (l *list) victim(stays *entry) *entry {
	for range 2*l.length + 1 {
		if l.hand == nil {
			l.hand = l.tail
		}
		n := l.hand
		if n == nil {
			return nil
		}
		l.hand = n.prev
		switch {
		case n == stays || n.weight == 0:
		case !n.used:
			return n
		default:
			n.used = false
			if l.rotates && n != l.head {
				l.remove(n)
				l.push(n)
			}
		}
	}
	return nil
}
