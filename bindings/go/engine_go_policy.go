//go:build !cgo || pinyon_purego

package pinyon

import "hash/maphash"

// order says which entry of a shard is evicted. It is S3-FIFO (Yang et al., FIFO Queues Are All You Need for Cache Eviction, SOSP 2023):
// what is new goes through a small queue, of a tenth of the weight; what was used there goes on to the main one, where it comes round as often
// as it was used, and of what was not a hash is remembered for a while, so that it goes to the main queue if it comes again. Or it is
// CLOCK (Corbató, 1968), which is the main queue alone, where one use counts.
//
// Entries that weigh nothing are in no queue.
type order struct {
	clock  bool
	seed   maphash.Seed
	queues [inMain + 1]fifo // of inNone nothing
	ghosts ghosts
}

// place is which queue of its shard's order an entry is in.
type place uint8

const (
	inNone place = iota
	inSmall
	inMain
)

// How many uses are counted.
const mostUses = 3

func (o *order) use(n *entry) {
	if n.uses < mostUses && !(o.clock && n.uses > 0) {
		n.uses++
	}
}

// set gives an entry its weight, and a place.
func (o *order) set(n *entry, weight uint64) {
	switch {
	case n.isIn == inNone && weight > 0:
		n.weight = weight
		if o.clock || o.ghosts.take(maphash.String(o.seed, n.key)) {
			o.push(n, inMain)
		} else {
			o.push(n, inSmall)
		}
	case weight == 0:
		o.remove(n)
		n.weight = 0
	default:
		o.queues[n.isIn].weight += weight - n.weight
		n.weight = weight
	}
}

func (o *order) remove(n *entry) {
	if n.isIn != inNone {
		o.queues[n.isIn].remove(n)
		n.isIn = inNone
	}
}

func (o *order) push(n *entry, to place) {
	o.queues[to].push(n)
	n.isIn = to
}

func (o *order) move(n *entry) {
	o.remove(n)
	o.push(n, inMain)
}

// victim is the entry to evict now, other than one that must stay; nil: there is none.
func (o *order) victim(stays *entry) *entry {
	small, main := &o.queues[inSmall], &o.queues[inMain]
	length := small.length + main.length
	for range (mostUses+2)*length + 1 {
		if small.length > 0 && (main.length == 0 || small.weight >= (small.weight+main.weight)/10) {
			n := small.tail
			if n != stays && n.uses < 2 {
				o.ghosts.add(maphash.String(o.seed, n.key), length-length/10)
				return n
			}
			o.move(n)
			n.uses = 0
		} else if n := main.tail; n == nil {
			return nil
		} else if n != stays && n.uses == 0 {
			return n
		} else {
			o.move(n)
			n.uses -= min(n.uses, 1)
		}
	}
	return nil
}

// fifo is a queue of entries, the newest at its head.
type fifo struct {
	head, tail *entry
	length     int
	weight     uint64
}

func (q *fifo) push(n *entry) {
	n.prev, n.next = nil, q.head
	if q.head != nil {
		q.head.prev = n
	} else {
		q.tail = n
	}
	q.head = n
	q.length++
	q.weight += n.weight
}

func (q *fifo) remove(n *entry) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		q.head = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		q.tail = n.prev
	}
	n.prev, n.next = nil, nil
	q.length--
	q.weight -= n.weight
}

// ghosts are hashes of keys that were evicted, the last so many. Each has its number in the row in which they came.
type ghosts struct {
	numbers map[uint64]uint64
	row     []uint64
	first   uint64 // the number of the first in the row
}

func (g *ghosts) add(hash uint64, most int) {
	if g.numbers == nil {
		g.numbers = make(map[uint64]uint64)
	}
	g.numbers[hash] = g.first + uint64(len(g.row))
	g.row = append(g.row, hash)
	for ; len(g.row) > most; g.first++ {
		if oldest := g.row[0]; g.numbers[oldest] == g.first {
			delete(g.numbers, oldest)
		}
		g.row = g.row[1:]
	}
}

// take says whether a hash is among them, where it is no more then.
func (g *ghosts) take(hash uint64) bool {
	_, is := g.numbers[hash]
	delete(g.numbers, hash)
	return is
}
