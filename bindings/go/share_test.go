//go:build cgo && !pinyon_purego

package pinyon

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"pinyon/internal/foreign"
)

func TestSharedCaches(t *testing.T) {
	b := made(t)
	var other *Bytes
	if err := b.Shared(func(cache unsafe.Pointer) {
		var err error
		if other, err = Attach(cache); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	set(t, b, "k", "v")
	wants(t, other, "k", "v")

	// The two know nothing of each other's flights, as programs in two languages do not: the lease of the cache is what one load is by.
	started := make(chan bool)
	go other.GetOrLoad(context.Background(), "slow", func(context.Context) ([]byte, error) {
		close(started)
		time.Sleep(20 * time.Millisecond)
		return []byte("loaded"), nil
	})
	<-started
	brought(t, b, "slow", "loaded", never(t))

	// One that fails there is loaded here.
	started = make(chan bool)
	go other.GetOrLoad(context.Background(), "fails", func(context.Context) ([]byte, error) {
		close(started)
		time.Sleep(20 * time.Millisecond)
		return nil, errors.New("boom")
	})
	<-started
	brought(t, b, "fails", "loaded", brings("loaded"))

	// Who waits for a load elsewhere may give up.
	started, finish := make(chan bool), make(chan bool)
	go other.GetOrLoad(context.Background(), "long", func(context.Context) ([]byte, error) {
		close(started)
		<-finish
		return nil, nil
	})
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := b.GetOrLoad(ctx, "long", never(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(finish)

	other.Close()
	wants(t, b, "k", "v")
	if _, err := Attach(nil); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	b.Close()
	if err := b.Shared(nil); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestG27SharedKeepsTheNativeCacheUntilItReturns(t *testing.T) {
	b := made(t)
	freed := make(chan bool)
	runtime.AddCleanup(b.open.Load(), func(c chan bool) { close(c) }, freed)
	func() {
		defer func() { recover() }()
		b.Shared(func(unsafe.Pointer) {
			b.Close()
			for range 5 {
				runtime.GC()
				select {
				case <-freed:
					t.Error("freed while it was used")
					return
				case <-time.After(time.Millisecond):
				}
			}
			panic("also then")
		})
	}()
	isCollected(t, freed, "never freed")
}

// attached is a cache, and the same as other code has it.
func attached(t *testing.T) (own, other *Bytes) {
	t.Helper()
	own = made(t)
	err := own.Shared(func(cache unsafe.Pointer) { other = must[*Bytes](t)(Attach(cache)) })
	if err != nil {
		t.Fatal(err)
	}
	return own, other
}

func TestG19G33AnAttachedCacheIsNotUsedAfterItsClose(t *testing.T) {
	own, other := attached(t)
	started, finish := make(chan bool), make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan bool)
	go func() {
		defer close(over)
		other.GetOrLoad(ctx, "k", func(context.Context) ([]byte, error) {
			close(started)
			<-finish
			return []byte("late"), nil
		})
	}()
	<-started
	cancel()
	<-over
	other.Close()
	// The loader still runs, but its lease is given up.
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	value, err := own.GetOrLoad(ctx, "k", brings("own"))
	if err != nil || string(value) != "own" {
		t.Errorf("%q, %v", value, err)
	}
	before := own.Stats()
	close(finish)
	eventually(t, func() bool { return flights(other) == 0 }, func() any { return "a flight is left" })
	if after := own.Stats(); after != before || after.LoadFailures != 1 || after.Loads != 1 {
		t.Errorf("%+v", after)
	}
}

func TestAttachedClosesUnderItsLoads(t *testing.T) {
	own, other := attached(t)
	value, err := other.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) {
		other.Close()
		return []byte("v"), nil
	})
	if err != nil || string(value) != "v" {
		t.Fatalf("a call under way ends as it would: %q, %v", value, err)
	}
	brought(t, own, "k", "own", brings("own"))
	if _, err := other.GetOrLoad(t.Context(), "k", never(t)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestG23NegativeResultsAreNotShared(t *testing.T) {
	b := made(t, WithCapacity(10), WithNegativeTTL(time.Second))
	if err := b.Shared(func(unsafe.Pointer) { t.Error("shared") }); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
}

// deep makes the stack grow, and has it looked through.
func deep(n int) (sum int) {
	var room [64]byte
	if n > 0 {
		room[n%len(room)] = byte(deep(n - 1))
	}
	for _, each := range room {
		sum += int(each)
	}
	return sum
}

// Where a value of no bytes lies may be anything, which Go ends a program for if it comes upon it.
func TestG31ValuesOfNoBytesThatLieNowhere(t *testing.T) {
	b := made(t, WithCapacity(10))
	adopted := func() {
		t.Helper()
		if err := b.Shared(func(cache unsafe.Pointer) {
			if !foreign.AdoptNothing(cache, "k") {
				t.Error("it was not adopted")
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	adopted()
	done := make(chan bool)
	go func() { // with a stack of its own, which is small
		defer close(done)
		b.MView([]string{"k"}, func(i int, value []byte) {
			var all [2][]byte
			all[i] = value
			deep(10000)
			if all[i] == nil || len(all[i]) != 0 {
				t.Error(all[i])
			}
		})
	}()
	<-done
	wants(t, b, "k", "")
	brought(t, b, "k", "", never(t))
	if value, ok := b.Take("k"); !ok || value == nil || len(value) != 0 {
		t.Error(value, ok)
	}
	adopted()
	for key, value := range b.All() {
		if key != "k" || value == nil || len(value) != 0 {
			t.Error(key, value)
		}
	}
}
