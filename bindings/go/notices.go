package pinyon

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
	"weak"
)

// notices takes removals from a cache's queue to its listener, by one goroutine, which does not keep the cache: it ends with Close, or when
// the collector has found that nothing refers to the cache.
type notices struct {
	mu      sync.Mutex
	last    []Removal // what Close found in the queue
	closing chan struct{}
	left    []Removal // what is being told: the goroutine's
}

// How long the goroutine sleeps when the queue was empty: twice as long each time, between these.
const (
	shortestSleep = 1 * time.Millisecond
	longestSleep  = 64 * time.Millisecond
)

func listen(b *Bytes, listener func(Removal)) *notices {
	n := &notices{closing: make(chan struct{})}
	go n.run(weak.Make(b), b.mark, listener)
	return n
}

func (n *notices) run(cache weak.Pointer[Bytes], mark []byte, listener func(Removal)) {
	ended := false
	defer func() {
		if !ended { // by the listener (runtime.Goexit): another goroutine tells the rest
			go n.run(cache, mark, listener)
		}
	}()
	marks := Bytes{mark: mark}
	tell := func(removals []Removal) {
		for n.left = append(n.left, removals...); len(n.left) > 0; {
			r := n.left[0]
			n.left = n.left[1:]
			if !marks.absent(r.Value) {
				told(listener, r)
			}
		}
		n.left = nil // with what keeps all of them
	}
	tell(nil)
	sleep := shortestSleep
	for {
		select {
		case <-n.closing:
			last := n.last
			n.last = nil
			tell(last)
			ended = true
			return
		case <-time.After(sleep):
		}
		for {
			b := cache.Value()
			if b == nil {
				ended = true
				return
			}
			removals := n.poll(b)
			if len(removals) == 0 {
				break
			}
			tell(removals)
			sleep = shortestSleep / 2
		}
		sleep = min(sleep*2, longestSleep)
	}
}

// told calls a listener; if it panics that is logged, as servers do with their handlers, and the next removal is told.
func told(listener func(Removal), r Removal) {
	defer func() {
		if what := recover(); what != nil {
			slog.Error("pinyon: a removal listener panicked", "panic", what, "key", r.Key, "stack", string(debug.Stack()))
		}
	}()
	listener(r)
}

func (n *notices) poll(b *Bytes) []Removal {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := b.open.Load(); e != nil {
		removals, _ := e.removals(pageSize)
		return removals
	}
	return nil
}

func (n *notices) close(e *engine) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for more := codeOK; more == codeOK; {
		var some []Removal
		some, more = e.removals(pageSize)
		n.last = append(n.last, some...)
	}
	close(n.closing)
}
