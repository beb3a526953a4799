package pinyon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func brings(value string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return []byte(value), nil }
}

func never(t testing.TB) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		t.Error("a loader was called")
		return nil, errors.New("called")
	}
}

func brought(t testing.TB, b *Bytes, key, want string, load func(context.Context) ([]byte, error)) {
	t.Helper()
	value, err := b.GetOrLoad(t.Context(), key, load)
	if err != nil || string(value) != want {
		t.Fatalf("GetOrLoad(%q) is %q, %v; not %q", key, value, err, want)
	}
}

func flights(b *Bytes) int {
	b.loads.mu.Lock()
	defer b.loads.mu.Unlock()
	return len(b.loads.byKey)
}

func TestLoadsOnce(t *testing.T) {
	b := made(t)
	brought(t, b, "k", "v", brings("v"))
	brought(t, b, "k", "v", never(t))
	brought(t, b, "empty", "", brings(""))
	brought(t, b, "empty", "", never(t))
	if s := b.Stats(); s.Loads != 2 || s.Hits != 2 || s.Misses != 2 {
		t.Fatalf("%+v", s)
	}
}

func TestG18OneLoadAtATime(t *testing.T) {
	b := made(t)
	var calls atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Add(1)
		go func() {
			defer all.Done()
			value, err := b.GetOrLoad(context.Background(), "k", func(context.Context) ([]byte, error) {
				calls.Add(1)
				time.Sleep(20 * time.Millisecond)
				return []byte("v"), nil
			})
			if err != nil || string(value) != "v" {
				t.Error(value, err)
			}
		}()
	}
	all.Wait()
	if calls.Load() != 1 {
		t.Fatal(calls.Load())
	}
	if s := b.Stats(); s.Waiting != 0 || s.Loads != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestG19G23EveryoneGetsAnErrorAndNobodyKeepsIt(t *testing.T) {
	b := made(t)
	boom := errors.New("boom")
	var calls atomic.Int32
	var all sync.WaitGroup
	start := make(chan bool)
	for range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			_, err := b.GetOrLoad(context.Background(), "k", func(context.Context) ([]byte, error) {
				calls.Add(1)
				<-start
				return nil, boom
			})
			if !errors.Is(err, boom) {
				t.Error(err)
			}
		}()
	}
	eventually(t, func() bool { return b.Stats().Misses == 20 }, func() any { return b.Stats() })
	time.Sleep(10 * time.Millisecond)
	close(start)
	all.Wait()
	if calls.Load() != 1 {
		t.Fatal(calls.Load())
	}
	brought(t, b, "k", "v", brings("v"))
	if s := b.Stats(); s.Waiting != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestG19G25PanicsAreErrors(t *testing.T) {
	b := made(t)
	_, err := b.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { panic("boom") })
	var panicked *PanicError
	if !errors.As(err, &panicked) || panicked.Value != "boom" || !strings.Contains(err.Error(), "load_test.go") {
		t.Fatal(err)
	}
	cause := errors.New("cause")
	if _, err = b.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { panic(cause) }); !errors.Is(err, cause) {
		t.Fatal(err)
	}
	if _, err = b.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { runtime.Goexit(); return nil, nil }); !errors.Is(err, errGoexit) {
		t.Fatal(err)
	}
	if _, err = b.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { var none *[]byte; return *none, nil }); !errors.As(err, &panicked) {
		t.Fatal(err)
	}
	brought(t, b, "k", "v", brings("v"))
}

func TestG20WhatWasOvertakenIsNotStored(t *testing.T) {
	for name, overtake := range map[string]func(*Bytes){
		"set":            func(b *Bytes) { b.Set("k", []byte("new")); b.Delete("k") },
		"delete":         func(b *Bytes) { b.Delete("k") },
		"invalidate all": func(b *Bytes) { b.InvalidateAll() },
		"clear":          func(b *Bytes) { b.Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			b := made(t)
			started, finish, over := make(chan bool), make(chan bool), make(chan bool)
			go func() {
				value, err := b.GetOrLoad(context.Background(), "k", func(context.Context) ([]byte, error) {
					close(started)
					<-finish
					return []byte("old"), nil
				})
				if err != nil || string(value) != "old" {
					t.Errorf("who asked before gets it: %q, %v", value, err)
				}
				close(over)
			}()
			<-started
			overtake(b)
			// Who asks now must not get what was read before.
			brought(t, b, "k", "fresh", brings("fresh"))
			close(finish)
			<-over
			wants(t, b, "k", "fresh")
		})
	}
}

func TestG19WhoGivesUpLeavesTheOthers(t *testing.T) {
	b := made(t)
	started, finish := make(chan bool), make(chan bool)
	first, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	results := make(chan error, 2)
	load := func(ctx context.Context) ([]byte, error) {
		close(started)
		<-finish
		return []byte("v"), ctx.Err()
	}
	go func() {
		_, err := b.GetOrLoad(first, "k", load)
		results <- err
	}()
	<-started
	go func() {
		value, err := b.GetOrLoad(context.Background(), "k", never(t))
		if string(value) != "v" {
			t.Errorf("%q", value)
		}
		results <- err
	}()
	eventually(t, func() bool { return b.Stats().Misses == 2 }, func() any { return b.Stats() })
	time.Sleep(5 * time.Millisecond)
	cancel(gone)
	if err := <-results; !errors.Is(err, gone) {
		t.Fatal(err)
	}
	close(finish)
	if err := <-results; err != nil {
		t.Fatal(err)
	}
	wants(t, b, "k", "v")
}

func TestG19ALoadThatNobodyWantsIsCancelled(t *testing.T) {
	b := made(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	ended := make(chan bool)
	_, err := b.GetOrLoad(ctx, "k", func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond)
		close(ended)
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	// Who comes in between does not get the error of a load that was cancelled for want of others.
	brought(t, b, "k", "v", brings("v"))
	<-ended
	if _, err := b.GetOrLoad(ctx, "other", never(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestTheLoadersContextHasTheValuesOfItsCaller(t *testing.T) {
	type key struct{}
	b := made(t)
	ctx := context.WithValue(t.Context(), key{}, "trace")
	b.GetOrLoad(ctx, "k", func(ctx context.Context) ([]byte, error) {
		if ctx.Value(key{}) != "trace" {
			t.Error("lost")
		}
		return nil, nil
	})
}

func TestG21RecursionIsAnError(t *testing.T) {
	b := made(t)
	_, err := b.GetOrLoad(t.Context(), "k", func(ctx context.Context) ([]byte, error) {
		return b.GetOrLoad(ctx, "k", never(t))
	})
	if !errors.Is(err, ErrRecursiveLoad) {
		t.Fatal(err)
	}
	// In a circle of two, over two caches, begun at both ends.
	other := made(t)
	var both sync.WaitGroup
	inside := make(chan bool, 2)
	ready := make(chan bool)
	errs := make([]error, 2)
	for i, of := range []*Bytes{b, other} {
		both.Add(1)
		next := []*Bytes{other, b}[i]
		go func() {
			defer both.Done()
			_, errs[i] = of.GetOrLoad(context.Background(), "circle", func(ctx context.Context) ([]byte, error) {
				inside <- true
				<-ready
				return next.GetOrLoad(ctx, "circle", never(t))
			})
		}()
	}
	<-inside
	<-inside
	close(ready)
	both.Wait()
	if !errors.Is(errs[0], ErrRecursiveLoad) || !errors.Is(errs[1], ErrRecursiveLoad) {
		t.Fatal(errs)
	}
	// Another key is no circle.
	brought(t, b, "outer", "inner", func(ctx context.Context) ([]byte, error) { return b.GetOrLoad(ctx, "inner", brings("inner")) })
}

func TestG22StaleWhileRevalidate(t *testing.T) {
	clock := NewManualClock()
	b := made(t, WithCapacity(10), WithClock(clock), WithTTL(time.Minute), WithRefreshAfter(time.Second))
	brought(t, b, "k", "1", brings("1"))
	clock.Advance(2 * time.Second)
	finish := make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	value, err := b.GetOrLoad(ctx, "k", func(ctx context.Context) ([]byte, error) {
		<-finish
		return []byte("2"), ctx.Err()
	})
	cancel() // does not end what goes on in the background
	if err != nil || string(value) != "1" {
		t.Fatal(value, err)
	}
	brought(t, b, "k", "1", never(t))
	close(finish)
	eventually(t, func() bool { v, _ := b.Get("k"); return string(v) == "2" }, func() any { return b.Stats() })
	brought(t, b, "k", "2", never(t))
	clock.Advance(2 * time.Second)
	brought(t, b, "k", "2", func(context.Context) ([]byte, error) { panic("in the background") })
	wants(t, b, "k", "2")
}

func TestG23NegativeResultsForEver(t *testing.T) {
	clock := NewManualClock()
	b := made(t, WithCapacity(100), WithClock(clock), WithTTL(time.Second), WithNegativeTTL(Forever))
	nothing := func(context.Context) ([]byte, error) { return nil, ErrNotFound }
	for i, load := range []func(context.Context) ([]byte, error){nothing, never(t)} {
		if _, err := b.GetOrLoad(t.Context(), "k", load); !errors.Is(err, ErrNotFound) {
			t.Fatal(i, err)
		}
		clock.Advance(time.Hour)
	}
}

func TestG23NegativeResults(t *testing.T) {
	clock := NewManualClock()
	listened := make(chan Removal, 10)
	b := made(t, WithCapacity(100), WithClock(clock), WithNegativeTTL(time.Second), WithListener(10, func(r Removal) { listened <- r }))
	nothing := func(context.Context) ([]byte, error) { return nil, fmt.Errorf("user 7: %w", ErrNotFound) }
	for i, load := range []func(context.Context) ([]byte, error){nothing, never(t)} {
		if _, err := b.GetOrLoad(t.Context(), "k", load); !errors.Is(err, ErrNotFound) {
			t.Fatal(i, err)
		}
	}
	lacks(t, b, "k")
	_, ttl := b.TTL("k")
	_, taken := b.Take("k")
	b.GetOrLoad(t.Context(), "k", nothing)
	if ttl || taken || b.Contains("k") || b.View("k", func([]byte) { t.Error("viewed") }) || b.Touch("k") || b.MGet([]string{"k"})[0] != nil {
		t.Fatal("what is not there is seen")
	}
	for range b.All() {
		t.Fatal("what is not there is seen")
	}
	if b.Delete("k") {
		t.Fatal("deleted")
	}
	b.GetOrLoad(t.Context(), "k", nothing)
	if must[bool](t)(b.Replace("k", nil, Entry{})) || b.MDelete([]string{"k"}) != 0 {
		t.Fatal("replaced, or deleted")
	}
	b.GetOrLoad(t.Context(), "k", nothing)
	if !must[bool](t)(b.SetIfAbsent("k", []byte("v"), Entry{})) || !must[bool](t)(b.Replace("k", []byte("w"), Entry{})) {
		t.Fatal("not set where nothing is")
	}
	wants(t, b, "k", "w")
	b.GetOrLoad(t.Context(), "n", nothing)
	if n := must[int64](t)(b.Add("n", 3, Entry{})); n != 3 {
		t.Fatal(n)
	}
	set(t, b, "text", "text")
	if _, err := b.Add("text", 1, Entry{}); !errors.Is(err, ErrNotCounter) {
		t.Fatal(err)
	}
	b.GetOrLoad(t.Context(), "later", nothing)
	clock.Advance(time.Second)
	brought(t, b, "later", "v", brings("v"))
	b.Delete("k")
	for {
		if r := <-listened; r.Key == "k" && r.Cause == Removed {
			break
		} else if len(r.Value) == 16 {
			t.Fatal("told of what was not there: ", r)
		}
	}

	// Without it nothing is remembered.
	forgets := made(t)
	forgets.GetOrLoad(t.Context(), "k", nothing)
	brought(t, forgets, "k", "v", brings("v"))
}

func TestLoadersSayHowToStore(t *testing.T) {
	clock := NewManualClock()
	b := made(t, WithCapacity(100), WithClock(clock))
	load := func(context.Context) ([]byte, Entry, error) {
		return []byte("v"), Entry{TTL: time.Second, Tags: []string{"tag"}}, nil
	}
	for _, end := range []func(){func() { clock.Advance(time.Second) }, func() { b.InvalidateTag("tag") }} {
		if _, err := b.GetOrLoadEntry(t.Context(), "k", load); err != nil {
			t.Fatal(err)
		}
		wants(t, b, "k", "v")
		end()
		lacks(t, b, "k")
	}
	_, err := b.GetOrLoadEntry(t.Context(), "k", func(context.Context) ([]byte, Entry, error) { return nil, Entry{TTL: -1}, nil })
	if !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	lacks(t, b, "k")
}

func TestTooHeavyIsReturnedAndNotStored(t *testing.T) {
	b := made(t, WithCapacityBytes(10_000), WithShards(1))
	big := strings.Repeat("v", 100_000)
	brought(t, b, "k", big, brings(big))
	lacks(t, b, "k")
}

func TestAKeyMayChangeAfterTheCall(t *testing.T) {
	b := made(t)
	key := []byte("first")
	brought(t, b, Key(key), "v", func(context.Context) ([]byte, error) {
		copy(key, "other")
		return []byte("v"), nil
	})
	copy(key, "first")
	wants(t, b, "first", "v")
	if n := flights(b); n != 0 {
		t.Fatal(n)
	}
}

// waiters has so many more calls wait for the load of a key, and returns once they do.
func waiters(t *testing.T, b *Bytes, key string, count int, all *sync.WaitGroup) {
	t.Helper()
	for range count {
		all.Add(1)
		go func() {
			defer all.Done()
			b.GetOrLoad(context.Background(), key, never(t))
		}()
	}
	eventually(t, func() bool { return b.Stats().Waiting == uint64(count) }, func() any { return b.Stats() })
}

func TestG29AFailureIsCountedOnceAndWhoWaitsIsCounted(t *testing.T) {
	boom := errors.New("boom")
	for name, want := range map[string]error{"fails": boom, "is not found": ErrNotFound} {
		for _, options := range [][]Option{{WithCapacity(10)}, {WithCapacity(10), WithNegativeTTL(time.Minute)}} {
			t.Run(name, func(t *testing.T) {
				b := made(t, options...)
				started, finish := make(chan bool), make(chan bool)
				var all sync.WaitGroup
				all.Add(1)
				go func() {
					defer all.Done()
					b.GetOrLoad(context.Background(), "k", func(context.Context) ([]byte, error) {
						close(started)
						<-finish
						return nil, want
					})
				}()
				<-started
				waiters(t, b, "k", 20, &all)
				close(finish)
				all.Wait()
				failures := uint64(1)
				if b.mark != nil && want == ErrNotFound {
					failures = 0 // it is an entry
				}
				if s := b.Stats(); s.Waiting != 0 || s.LoadFailures != failures || s.Loads != 1-failures {
					t.Fatalf("%+v", s)
				}
			})
		}
	}
}

func TestG23APanicIsNotNotFound(t *testing.T) {
	b := made(t, WithCapacity(10), WithNegativeTTL(time.Minute))
	panics := func() { panic(fmt.Errorf("from a call that must succeed: %w", ErrNotFound)) }
	var panicked *PanicError
	if _, err := b.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { panics(); return nil, nil }); !errors.As(err, &panicked) {
		t.Fatal(err)
	}
	brought(t, b, "k", "v", brings("v"))
	_, err := b.BulkLoad(t.Context(), []string{"other"}, func(context.Context, []string) (map[string][]byte, error) { panics(); return nil, nil })
	if !errors.As(err, &panicked) {
		t.Fatal(err)
	}
	brought(t, b, "other", "v", brings("v"))
}

// Loads, cancellations, errors, panics and invalidations at once; nothing hangs, leaks, or is another's.
func TestG18G19LoadStorm(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	b := made(t, WithCapacity(50), WithTTL(20*time.Millisecond), WithRefreshAfter(5*time.Millisecond), WithNegativeTTL(5*time.Millisecond))
	boom := errors.New("boom")
	var all sync.WaitGroup
	for range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 300 {
				key := fmt.Sprint("key", rand.IntN(20))
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3000))*time.Microsecond)
				value, err := b.GetOrLoad(ctx, key, func(ctx context.Context) ([]byte, error) {
					switch rand.IntN(10) {
					case 0:
						return nil, boom
					case 1:
						panic(boom)
					case 2:
						return nil, ErrNotFound
					case 3:
						select {
						case <-ctx.Done():
							return nil, context.Cause(ctx)
						case <-time.After(10 * time.Millisecond): // in the background nothing ends it
						}
					case 4:
						time.Sleep(time.Millisecond)
					}
					return []byte(key), nil
				})
				cancel()
				switch {
				case err == nil:
					if string(value) != key {
						t.Errorf("%q under %q", value, key)
					}
				case errors.Is(err, boom), errors.Is(err, ErrNotFound), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
				default:
					t.Error(err)
				}
				if rand.IntN(10) == 0 {
					b.Delete(key)
				}
				if rand.IntN(100) == 0 {
					b.InvalidateAll()
				}
			}
		}()
	}
	all.Wait()
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, func() any { return "goroutines are left" })
	eventually(t, func() bool { return flights(b) == 0 }, func() any { return "flights are left" })
	for i := range 20 { // no lease is left
		b.Delete(fmt.Sprint("key", i))
		brought(t, b, fmt.Sprint("key", i), "v", brings("v"))
	}
}
