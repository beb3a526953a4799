//go:build !cgo || pinyon_purego

package pinyon

import (
	"bytes"
	"strings"
	"time"
)

// leases are who loads the keys of a shard, and who waits for it; under the shard's lock.
//
// A lease is in tokens until it is completed, abandoned, or its time is over; and in byKey as long as it is also what others wait for: until
// its key is written, removed or invalidated. What nobody comes back for is cleared when there is twice as much as the last clearing left.
type leases struct {
	last, step uint64 // tokens and tickets: of a shard every step-th number, so that they tell their shard
	byKey      map[string]*lease
	tokens     map[uint64]*lease
	tickets    map[uint64]*ticket
	clearAt    int
}

type lease struct {
	key       string
	token     uint64
	began     int64     // by the cache's clock
	until     time.Time // by the system's; zero: for ever
	overtaken bool
	outdated  map[string]struct{} // tags that were invalidated since it began
	state     leaseState
	value     []byte // once brought
}

// ticket is a place among those who wait for a lease.
type ticket struct {
	of      *lease
	lasting uint64    // of a lease that it may become
	until   time.Time // for it is kept so long since it was last asked for; zero: for ever
}

// Below so many nothing is cleared but by maintain.
const fewLeases = 64

type leaseState int

const (
	isLent    leaseState = iota
	isLanding            // its value is here, and is being stored; writes and invalidations still find it
	isBrought
	isGivenUp
)

func (l *leases) start(shard, shards uint64) {
	l.last, l.step = shard, shards
	l.byKey, l.tokens, l.tickets = make(map[string]*lease), make(map[uint64]*lease), make(map[uint64]*ticket)
	l.clearAt = fewLeases
}

func (l *leases) number() uint64 {
	l.last += l.step
	return l.last
}

// overtake is what a write or a removal of a key does to its load.
func (l *leases) overtake(key string) {
	if of := l.byKey[key]; of != nil {
		of.overtaken = true
		delete(l.byKey, key)
	}
}

func (l *leases) overtakeAll() {
	for key := range l.byKey {
		l.overtake(key)
	}
}

func (l *leases) outdate(tag string) {
	if len(l.tokens) == 0 {
		return
	}
	tag = strings.Clone(tag)
	for _, of := range l.tokens {
		if of.outdated == nil {
			of.outdated = make(map[string]struct{})
		}
		of.outdated[tag] = struct{}{}
	}
}

func (of *lease) isOutdated(tags []string) bool {
	for _, tag := range tags {
		if _, is := of.outdated[tag]; is {
			return true
		}
	}
	return false
}

// isOver says that a time has come; zero does not.
func isOver(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

func (of *lease) isOver() bool { return of.state == isLent && isOver(of.until, time.Now()) }

// current is the lease that those who ask for a key wait for.
func (l *leases) current(key string, s *shard, now int64) *lease {
	of := l.byKey[key]
	if of != nil && of.isOver() {
		l.fail(of, s, now)
		return nil
	}
	return of
}

func (l *leases) fail(of *lease, s *shard, now int64) {
	of.state = isGivenUp
	s.stats.LoadFailures++
	s.stats.LoadTime += time.Duration(now - of.began)
	l.forget(of)
}

func (l *leases) forget(of *lease) {
	delete(l.tokens, of.token)
	if l.byKey[of.key] == of {
		delete(l.byKey, of.key)
	}
}

// clear ends the leases whose time is over, and forgets tickets that were not asked for long.
func (l *leases) clear(s *shard, now int64) {
	system := time.Now()
	for _, of := range l.tokens {
		if of.state == isLent && isOver(of.until, system) {
			l.fail(of, s, now)
		}
	}
	for number, t := range l.tickets {
		if isOver(t.until, system) {
			delete(l.tickets, number)
		}
	}
	l.clearAt = max(fewLeases, 2*(len(l.tokens)+len(l.tickets)))
}

func (l *leases) clearIfMany(s *shard, now int64) {
	if len(l.tokens)+len(l.tickets) >= l.clearAt {
		l.clear(s, now)
	}
}

// How long a lease lasts of which nothing is said.
const lastingByDefault = uint64(time.Minute / time.Millisecond)

// until is the end of a time that lasts so many milliseconds from now on.
func until(lasting uint64) time.Time {
	if lasting == 0 {
		lasting = lastingByDefault
	}
	if lasting >= uint64(endless)/uint64(time.Millisecond) {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(lasting) * time.Millisecond)
}

func (l *leases) lend(key string, s *shard, now int64, lasting uint64) uint64 {
	l.clearIfMany(s, now)
	of := &lease{key: strings.Clone(key), token: l.number(), began: now, until: until(lasting)}
	l.tokens[of.token], l.byKey[of.key] = of, of
	return of.token
}

func (e *engine) acquire(key string, lasting, refreshAfter uint64, dst []byte) (acquired, code) {
	s := e.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.leases
	now := e.now()
	if n := e.found(s, key); n != nil {
		a := acquired{value: append(dst, n.value...)}
		if refreshAfter == 0 {
			refreshAfter = e.refreshAfter
		}
		if refreshAfter == 0 || !e.knowsAge(n) || now < after(n.written, refreshAfter) {
			return a, codeOK
		}
		if l.current(key, s, now) == nil {
			a.token = l.lend(key, s, now, lasting)
		}
		return a, codeStale
	}
	if of := l.current(key, s, now); of != nil {
		l.clearIfMany(s, now)
		number := l.number()
		l.tickets[number] = &ticket{of, lasting, until(lasting)}
		return acquired{value: dst, ticket: number}, codeWait
	}
	return acquired{value: dst, token: l.lend(key, s, now, lasting)}, codeLead
}

// lent is the lease of a token, and its shard, which is locked; nil of none.
func (e *engine) lent(token uint64) (*lease, *shard) {
	s := &e.shards[token%uint64(len(e.shards))]
	s.mu.Lock()
	of := s.leases.tokens[token]
	if of != nil && of.isOver() {
		s.leases.fail(of, s, e.now())
	}
	if of == nil || of.state != isLent {
		return nil, s
	}
	return of, s
}

func (e *engine) complete(token uint64, value []byte, w *write) code {
	of, s := e.lent(token)
	if of != nil {
		of.state = isLanding
		s.stats.Loads++
		s.stats.LoadTime += time.Duration(e.now() - of.began)
	}
	s.mu.Unlock()
	if of == nil {
		return codeLapsed
	}
	if w == nil {
		w = &plain
	}
	c := e.change(of.key, func(s *shard, _ *entry) written {
		if of.overtaken || of.isOutdated(w.tags) {
			s.stats.StaleLoads++
			return written{code: codeOvertaken}
		}
		return written{value: value, w: w}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.isOutdated(w.tags) {
		// Others may wait who came after the invalidation: one of them loads.
		of.state = isGivenUp
	} else {
		of.state, of.value = isBrought, bytes.Clone(value)
	}
	s.leases.forget(of)
	return c
}

func (e *engine) abandon(token uint64) code {
	of, s := e.lent(token)
	defer s.mu.Unlock()
	if of == nil {
		return codeLapsed
	}
	s.leases.fail(of, s, e.now())
	return codeOK
}

func (e *engine) wait(number uint64, dst []byte) (acquired, code) {
	s := &e.shards[number%uint64(len(e.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.leases
	t := l.tickets[number]
	a := acquired{value: dst}
	if t == nil {
		return a, codeLapsed
	}
	now := e.now()
	if t.of.isOver() {
		l.fail(t.of, s, now)
	}
	if t.of.state == isGivenUp {
		// Another may load by now, or the value have come otherwise; else this one is the next to load.
		if next := l.current(t.of.key, s, now); next != nil {
			t.of = next
		} else {
			delete(l.tickets, number)
			if n := e.live(s, t.of.key, now); n != nil {
				s.stats.Coalesced++
				a.value = append(dst, n.value...)
				return a, codeOK
			}
			a.token = l.lend(t.of.key, s, now, t.lasting)
			return a, codeLead
		}
	}
	if t.of.state == isBrought {
		delete(l.tickets, number)
		s.stats.Coalesced++
		a.value = append(dst, t.of.value...)
		return a, codeOK
	}
	t.until = until(t.lasting)
	return a, codeTimedOut
}

func (e *engine) leave(ticket uint64) code {
	s := &e.shards[ticket%uint64(len(e.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases.tickets[ticket] == nil {
		return codeLapsed
	}
	delete(s.leases.tickets, ticket)
	return codeOK
}
