package pinyon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A PanicError is the error of a loader that panicked, for all who waited for it.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("pinyon: a loader panicked: %v\n%s", e.Value, e.Stack)
}

// Unwrap is the panic's value, if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

var errGoexit = errors.New("pinyon: a loader ended its goroutine (runtime.Goexit, perhaps by testing's FailNow)")

// demand panics, before anything is led, if a call that loads was given no context or no loader: a mistake of the program.
func demand(call string, ctx context.Context, unloaded bool) {
	if ctx == nil {
		panic("pinyon: " + call + ": ctx is nil")
	}
	if unloaded {
		panic("pinyon: " + call + ": load is nil")
	}
}

// GetOrLoad reads a value; if there is none, load brings it, and it is stored. Of all calls for one key, here and in other languages
// that use the cache, one loads; the others wait for it and get its value, or its error.
//
// load runs in a goroutine of its own. Its context has the values of ctx and ends when no call waits for it any more, so that a call
// which gives up (then it returns the cause of ctx) does not take the value from others. If it panics, that is a [PanicError] for
// all who wait. Errors are not cached, but [ErrNotFound] is with [WithNegativeTTL]. What was loaded is stored unless its key was
// written, removed or invalidated meanwhile; those who wait get it all the same, those who come after do not. With
// [WithRefreshAfter] a value that is due is returned as it is, and one call has it loaded anew in the background, where an error
// leaves the value as it was.
//
// A loader that asks, by its context, for a key whose load waits for it gets [ErrRecursiveLoad]. A nil ctx or load is a panic of the
// call, whatever is in the cache.
func (b *Bytes) GetOrLoad(ctx context.Context, key string, load func(context.Context) ([]byte, error)) ([]byte, error) {
	demand("GetOrLoad", ctx, load == nil)
	return b.GetOrLoadEntry(ctx, key, func(ctx context.Context) ([]byte, Entry, error) {
		value, err := load(ctx)
		return value, Entry{}, err
	})
}

// GetOrLoadEntry is GetOrLoad with a loader that also says how its value is to be stored.
func (b *Bytes) GetOrLoadEntry(ctx context.Context, key string, load func(context.Context) ([]byte, Entry, error)) ([]byte, error) {
	demand("GetOrLoadEntry", ctx, load == nil)
	loader := func(ctx context.Context, sink func(int, []byte, Entry)) error {
		value, entry, err := load(ctx)
		if err == nil {
			sink(0, value, entry)
		}
		return err
	}
	for {
		e := b.open.Load()
		if e == nil {
			return nil, ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		a, c := e.acquire(key, forever, 0, []byte{})
		switch c {
		case codeOK:
			return b.loaded(a.value)
		case codeStale:
			if a.token != 0 {
				b.launch(ctx, e, []string{key}, []uint64{a.token}, true, loader)
			}
			return b.loaded(a.value)
		case codeLead:
			return b.lead(ctx, e, key, a.token, loader)
		case codeWait:
			value, err, again := b.follow(ctx, e, key, a.ticket, loader)
			if !again {
				return value, err
			}
		case codeOwnKey:
			return nil, ErrRecursiveLoad
		default:
			return nil, c.err()
		}
	}
}

// loaded is a value as the caller gets it.
func (b *Bytes) loaded(value []byte) ([]byte, error) {
	if b.absent(value) {
		return nil, ErrNotFound
	}
	return value, nil
}

// loader calls sink with the value of each key, by its index, that it brings.
type loader func(ctx context.Context, sink func(i int, value []byte, entry Entry)) error

// lead loads a key by its lease, and waits for it.
func (b *Bytes) lead(ctx context.Context, e *engine, key string, token uint64, load loader) ([]byte, error) {
	results := b.launch(ctx, e, []string{key}, []uint64{token}, false, load)
	r := results[0]
	if err := r.flight.awaited(ctx); err != nil {
		return nil, err
	}
	if r.flight.err != nil {
		return nil, r.flight.err
	}
	return r.value, nil
}

// result is where a flight leaves its value for the call that launched it, once it is done.
type result struct {
	flight *flight
	value  []byte
}

// launch starts a loader for keys that were lent. In the background it goes on though nobody waits; else one call has joined
// for each key.
func (b *Bytes) launch(ctx context.Context, e *engine, keys []string, tokens []uint64, background bool, load loader) []*result {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &loading{cancel: cancel, wanted: len(keys), forever: background}
	ctx = context.WithValue(ctx, loadingKey{}, l)
	results := make([]*result, len(keys))
	b.lent.hold(e, tokens)
	keys = slices.Clone(keys)
	for i, key := range keys {
		keys[i] = strings.Clone(key) // which may be a Key
		results[i] = &result{flight: &flight{batch: l, done: make(chan struct{})}}
		b.loads.put(keys[i], results[i].flight)
	}
	go func() {
		defer cancel()
		settled := make([]bool, len(keys))
		settle := func(i int, value []byte, entry *Entry, err error) {
			if settled[i] {
				return
			}
			settled[i] = true
			f := results[i].flight
			results[i].value = value
			b.lent.end(tokens[i], func() { err = b.settle(e, tokens[i], value, entry, err) })
			f.err = err
			f.abandoned = f.err != nil && l.isOver()
			b.loads.remove(keys[i], f)
			close(f.done)
		}
		err := errGoexit
		defer func() {
			for i := range keys {
				settle(i, nil, nil, err)
			}
		}()
		err = called(ctx, load, func(i int, value []byte, entry Entry) { settle(i, append([]byte{}, value...), &entry, nil) })
		if err == nil {
			err = ErrNotFound // of what it did not bring
		}
	}()
	return results
}

// called is a loader's error, also if it panics.
func called(ctx context.Context, load loader, sink func(int, []byte, Entry)) (err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		if what := recover(); what != nil {
			err = &PanicError{what, debug.Stack()}
		}
	}()
	err = load(ctx, sink)
	finished = true
	return err
}

// settle ends a lease with what its loader brought, and returns the error that those who wait get.
func (b *Bytes) settle(e *engine, token uint64, value []byte, entry *Entry, err error) error {
	if err == nil {
		var w *write
		if w, err = entry.write(); err == nil {
			if c := e.complete(token, value, w); c < 0 {
				err = c.err()
			}
		}
	} else if b.mark != nil && isNotFound(err) {
		if c := e.complete(token, b.mark, &write{ttl: b.negative}); c >= 0 {
			return err
		}
	}
	if err != nil {
		e.abandon(token)
	}
	return err
}

// isNotFound says that a loader's source has nothing. One that panicked does not say so, whatever it panicked with.
func isNotFound(err error) bool {
	return errors.Is(err, ErrNotFound) && !errors.As(err, new(*PanicError))
}

// Between these a call asks again and again that waits for a load which is not in this program's hands.
const (
	shortestPoll = 1 * time.Millisecond
	longestPoll  = 50 * time.Millisecond
)

// follow waits for another's load. again: the place among those who wait was lost, ask anew.
func (b *Bytes) follow(ctx context.Context, e *engine, key string, ticket uint64, load loader) (value []byte, err error, again bool) {
	a, c, err := b.turn(ctx, e, key, ticket)
	switch {
	case err != nil:
		e.leave(ticket)
		return nil, err, false
	case c == codeOK:
		value, err = b.loaded(a.value)
		return value, err, false
	case c == codeLead:
		value, err = b.lead(ctx, e, key, a.token, load)
		return value, err, false
	case c == codeOwnKey:
		return nil, ErrRecursiveLoad, false
	}
	return nil, c.err(), c >= 0
}

// turn waits until a ticket is worth something, or for the error of ctx or of the load.
func (b *Bytes) turn(ctx context.Context, e *engine, key string, ticket uint64) (a acquired, c code, err error) {
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	for poll := shortestPoll; ; poll = min(2*poll, longestPoll) {
		f := b.loads.find(key)
		if f != nil && !f.batch.join() {
			f.batch.leave()
			f = nil
		}
		if f == nil {
			err = slept(ctx, poll)
		} else if err = f.awaited(ctx); err == nil && !f.abandoned {
			err = f.err // without a look at the ticket, which may have become the next lease
		}
		if err != nil {
			return acquired{}, codeTimedOut, err
		}
		if a, c = e.wait(ticket, []byte{}); c != codeTimedOut {
			return a, c, nil
		}
	}
}

func slept(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// BulkLoad reads many values; those that are not there load brings, in one call for all, but for keys that other calls are loading,
// for which it waits. What load does not bring is not found, and not in the result. It is a [Bytes.GetOrLoad] of each key in everything else; the
// error is the first, with what was found.
func (b *Bytes) BulkLoad(ctx context.Context, keys []string, load func(ctx context.Context, missing []string) (map[string][]byte, error)) (map[string][]byte, error) {
	demand("BulkLoad", ctx, load == nil)
	found := make(map[string][]byte, len(keys))
	type follower struct {
		key    string
		ticket uint64
	}
	var (
		led, stale          []string
		tokens, staleTokens []uint64
		followers           []follower
		seen                = make(map[string]bool, len(keys))
	)
	e := b.open.Load()
	if e == nil {
		return found, ErrClosed
	}
	if ctx.Err() != nil {
		return found, context.Cause(ctx)
	}
	for _, key := range keys {
		if seen[key] {
			continue
		}
		key = strings.Clone(key) // which may be a Key
		seen[key] = true
		a, c := e.acquire(key, forever, 0, []byte{})
		switch c {
		case codeOK, codeStale:
			if value, err := b.loaded(a.value); err == nil {
				found[key] = value
			}
			if a.token != 0 {
				stale, staleTokens = append(stale, key), append(staleTokens, a.token)
			}
		case codeLead:
			led, tokens = append(led, key), append(tokens, a.token)
		default:
			followers = append(followers, follower{key, a.ticket})
		}
	}
	of := func(missing []string) loader {
		return func(ctx context.Context, sink func(int, []byte, Entry)) error {
			values, err := load(ctx, append([]string(nil), missing...))
			for i, key := range missing {
				if value, ok := values[key]; ok {
					sink(i, value, Entry{})
				}
			}
			return err
		}
	}
	if len(stale) > 0 {
		b.launch(ctx, e, stale, staleTokens, true, of(stale))
	}
	var first error
	note := func(key string, value []byte, err error) {
		if err == nil {
			found[key] = value
		} else if first == nil && !isNotFound(err) {
			first = err
		}
	}
	if len(led) > 0 {
		for i, r := range b.launch(ctx, e, led, tokens, false, of(led)) {
			err := r.flight.awaited(ctx)
			if err == nil {
				err = r.flight.err
			}
			if err == nil {
				note(led[i], r.value, nil)
			} else {
				note(led[i], nil, err)
			}
		}
	}
	for _, f := range followers {
		value, err, again := b.follow(ctx, e, f.key, f.ticket, of([]string{f.key}))
		for again {
			value, err = b.GetOrLoadEntry(ctx, f.key, func(ctx context.Context) (value []byte, entry Entry, err error) {
				err = ErrNotFound
				if failed := of([]string{f.key})(ctx, func(_ int, v []byte, _ Entry) { value, err = v, nil }); failed != nil {
					err = failed
				}
				return
			})
			again = false
		}
		note(f.key, value, err)
	}
	return found, first
}
