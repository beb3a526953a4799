//go:build !cgo || pinyon_purego

package pinyon

import (
	"bytes"
	"slices"
	"time"
)

// leases are who loads the keys of a shard, and who waits for it; under the shard's lock.
//
// A lease is in tokens until it is completed, abandoned, or its time is over; and in byKey as long as it is also what others wait for: until
// its key is written, removed or invalidated.
type leases struct {
	last, step uint64 // tokens and tickets: of a shard every step-th number, so that they tell their shard
	byKey      map[string]*lease
	tokens     map[uint64]*lease
	tickets    map[uint64]*lease
}

type lease struct {
	key       string
	token     uint64
	began     int64     // by the cache's clock
	until     time.Time // by the system's; zero: for ever
	overtaken bool
	outdated  []string // tags that were invalidated since it began
	state     leaseState
	value     []byte // once brought
}

type leaseState int

const (
	isLent leaseState = iota
	isBrought
	isGivenUp
)

func (l *leases) start(shard, shards uint64) {
	l.last, l.step = shard, shards
	l.byKey, l.tokens, l.tickets = make(map[string]*lease), make(map[uint64]*lease), make(map[uint64]*lease)
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
	for _, of := range l.tokens {
		of.outdated = append(of.outdated, tag)
	}
}

func (of *lease) over(now time.Time) bool { return !of.until.IsZero() && !now.Before(of.until) }

// current is the lease that those who ask for a key wait for.
func (l *leases) current(key string, s *shard) *lease {
	of := l.byKey[key]
	if of != nil && of.state == isLent && of.over(time.Now()) {
		l.fail(of, s)
		return nil
	}
	return of
}

func (l *leases) fail(of *lease, s *shard) {
	of.state = isGivenUp
	s.stats.LoadFailures++
	l.forget(of)
}

func (l *leases) forget(of *lease) {
	delete(l.tokens, of.token)
	if l.byKey[of.key] == of {
		delete(l.byKey, of.key)
	}
}

// end ends the leases whose time is over.
func (l *leases) end(now time.Time, s *shard) {
	for _, of := range l.tokens {
		if of.state == isLent && of.over(now) {
			l.fail(of, s)
		}
	}
}

// How long a lease lasts of which nothing is said.
const lastingByDefault = uint64(time.Minute / time.Millisecond)

func (l *leases) lend(key string, now int64, lasting uint64) *lease {
	of := &lease{key: string(append([]byte(nil), key...)), token: l.number(), began: now}
	if lasting == 0 {
		lasting = lastingByDefault
	}
	if ms := min(lasting, uint64(endless)/uint64(time.Millisecond)); lasting != forever {
		of.until = time.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	l.tokens[of.token], l.byKey[of.key] = of, of
	return of
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
		if refreshAfter == 0 || now < after(n.written, refreshAfter) {
			return a, codeOK
		}
		if l.current(key, s) == nil {
			a.token = l.lend(key, now, lasting).token
		}
		return a, codeStale
	}
	if of := l.current(key, s); of != nil {
		ticket := l.number()
		l.tickets[ticket] = of
		return acquired{value: dst, ticket: ticket}, codeWait
	}
	return acquired{value: dst, token: l.lend(key, now, lasting).token}, codeLead
}

// lent is the lease of a token, and its shard, which is locked; nil of none.
func (e *engine) lent(token uint64) (*lease, *shard) {
	s := &e.shards[token%uint64(len(e.shards))]
	s.mu.Lock()
	of := s.leases.tokens[token]
	if of != nil && of.state == isLent && of.over(time.Now()) {
		s.leases.fail(of, s)
	}
	if of == nil || of.state != isLent {
		return nil, s
	}
	return of, s
}

func (e *engine) complete(token uint64, value []byte, w *write) code {
	of, s := e.lent(token)
	if of != nil {
		of.state, of.value = isBrought, bytes.Clone(value)
		s.stats.Loads++
		s.stats.LoadTime += time.Duration(e.now() - of.began)
	}
	s.mu.Unlock()
	if of == nil {
		return codeLapsed
	}
	// Until it is stored the lease stays where writes and invalidations find it.
	c := e.change(of.key, func(s *shard, _ *entry) written {
		if of.overtaken || w != nil && slices.ContainsFunc(w.tags, func(tag string) bool { return slices.Contains(of.outdated, tag) }) {
			s.stats.StaleLoads++
			return written{code: codeOvertaken}
		}
		return written{value: value, w: w}
	})
	s.mu.Lock()
	s.leases.forget(of)
	s.mu.Unlock()
	return c
}

func (e *engine) abandon(token uint64) code {
	of, s := e.lent(token)
	defer s.mu.Unlock()
	if of == nil {
		return codeLapsed
	}
	s.stats.LoadTime += time.Duration(e.now() - of.began)
	s.leases.fail(of, s)
	return codeOK
}

func (e *engine) wait(ticket uint64, dst []byte) (acquired, code) {
	s := &e.shards[ticket%uint64(len(e.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.leases
	of := l.tickets[ticket]
	a := acquired{value: dst}
	switch {
	case of == nil:
		return a, codeLapsed
	case of.state == isBrought:
		delete(l.tickets, ticket)
		s.stats.Coalesced++
		a.value = append(dst, of.value...)
		return a, codeOK
	case of.state == isLent && !of.over(time.Now()):
		return a, codeTimedOut
	case of.state == isLent:
		l.fail(of, s)
	}
	// The load has failed: this one is the next, unless another was, or the value has come otherwise.
	if next := l.current(of.key, s); next != nil {
		l.tickets[ticket] = next
		return a, codeTimedOut
	}
	delete(l.tickets, ticket)
	if now := e.now(); e.live(s, of.key, now) == nil {
		a.token = l.lend(of.key, now, 0).token
		return a, codeLead
	}
	return a, codeLapsed
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
