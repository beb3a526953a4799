package pinyon

import (
	"context"
	"sync"
)

// A flight is a load that is under way in this program, for one key. Who may load a key, and whether what was loaded may be stored, the engine
// decides, by leases; a flight wakes those who wait for it, brings them its error, and knows who waits for whom.
type flight struct {
	batch *loading
	done  chan struct{}
	err   error // once done: why it brought no value
	// given up: nobody wanted it any more, so its error is that of nobody. Once done.
	abandoned bool
}

// loading is one call of a loader, for one key or many.
type loading struct {
	cancel  context.CancelFunc
	mu      sync.Mutex
	wanted  int  // how many calls wait for any of its flights
	forever bool // it goes on though nobody waits
	over    bool // cancelled because nobody waited
	waitsOn map[*loading]int
}

// join is one more call that waits; false if it comes too late.
func (l *loading) join() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted++
	return !l.over
}

// leave is one call less; the last one ends the loader's context.
func (l *loading) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted--; l.wanted == 0 && !l.forever {
		l.over = true
		l.cancel()
	}
}

func (l *loading) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// loads are the flights of a cache.
type loads struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

func (l *loads) find(key string) *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byKey[key]
}

// put may take the place of an older flight, whose key was written or invalidated meanwhile.
func (l *loads) put(key string, f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey == nil {
		l.byKey = make(map[string]*flight)
	}
	l.byKey[key] = f
}

func (l *loads) remove(key string, f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey[key] == f {
		delete(l.byKey, key)
	}
}

// Who waits for whom, over all caches: a loader's context carries the loading it runs in, so that a call which would wait in a
// circle is refused.
type loadingKey struct{}

var waits sync.Mutex

// waitsFor notes that a loader (nil: none) is about to wait for another, unless that one waits for it.
func (l *loading) waitsFor(other *loading) error {
	if l == nil {
		return nil
	}
	waits.Lock()
	defer waits.Unlock()
	if other.reaches(l, make(map[*loading]bool)) {
		return ErrRecursiveLoad
	}
	if l.waitsOn == nil {
		l.waitsOn = make(map[*loading]int)
	}
	l.waitsOn[other]++
	return nil
}

func (l *loading) reaches(end *loading, seen map[*loading]bool) bool {
	if l == end {
		return true
	}
	seen[l] = true
	for next := range l.waitsOn {
		if !seen[next] && next.reaches(end, seen) {
			return true
		}
	}
	return false
}

func (l *loading) waitsNoMore(other *loading) {
	if l == nil {
		return
	}
	waits.Lock()
	defer waits.Unlock()
	if l.waitsOn[other]--; l.waitsOn[other] == 0 {
		delete(l.waitsOn, other)
	}
}

// awaited waits for the end of a flight, or of ctx, whose error it returns then. The caller has joined its loading.
func (f *flight) awaited(ctx context.Context) error {
	inner, _ := ctx.Value(loadingKey{}).(*loading)
	defer f.batch.leave()
	if err := inner.waitsFor(f.batch); err != nil {
		return err
	}
	defer inner.waitsNoMore(f.batch)
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
