package pinyon

import "sync"

// lent are the leases that loaders of an attached cache hold. Its Close gives them up, so that a loader which ends later leaves a cache
// alone that may be freed by then. Of a cache of its own engine, which lasts as long as its loaders, it is nil, and lets all through.
type lent struct {
	mu     sync.Mutex // held while a lease is ended, for which Close waits
	tokens map[uint64]struct{}
	closed bool
}

// hold notes leases that loaders are about to get; after Close, beside a call that was under way, it gives them up.
func (l *lent) hold(e *engine, tokens []uint64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, token := range tokens {
		if l.closed {
			e.abandon(token)
		} else {
			l.tokens[token] = struct{}{}
		}
	}
}

// end calls ended, which ends a lease, unless that was given up.
func (l *lent) end(token uint64, ended func()) {
	if l == nil {
		ended()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, held := l.tokens[token]; held {
		delete(l.tokens, token)
		ended()
	}
}

// close gives all of them up.
func (l *lent) close(e *engine) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for token := range l.tokens {
		e.abandon(token)
	}
	l.tokens = nil
}
