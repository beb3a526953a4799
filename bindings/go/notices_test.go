package pinyon

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestG25G26Listener(t *testing.T) {
	var mu sync.Mutex
	var told []string
	b := made(t, WithCapacity(100), WithListener(1000, func(r Removal) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf("%s=%s %v", r.Key, r.Value, r.Cause))
		if r.Key == "panics" {
			panic("user")
		}
	}))
	set(t, b, "panics", "1")
	b.Delete("panics")
	set(t, b, "a", "1")
	set(t, b, "a", "2")
	b.Delete("a")
	set(t, b, "rest", "")
	b.Close()
	want := []string{"panics=1 removed", "a=1 replaced", "a=2 removed"}
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return slices.Equal(told, want) }, func() any { return told })
}

func TestG25G26AListenerThatEndsItsGoroutineIsToldTheRest(t *testing.T) {
	var mu sync.Mutex
	var told []string
	b := made(t, WithCapacity(100), WithListener(1000, func(r Removal) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r.Key)
		runtime.Goexit()
	}))
	var want []string
	removed := func(keys ...string) {
		for _, key := range keys {
			set(t, b, key, "1")
			b.Delete(key)
		}
		want = append(want, keys...)
	}
	wanted := func() {
		t.Helper()
		eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return slices.Equal(told, want) }, func() any { return told })
	}
	removed("a", "b", "c")
	wanted()
	removed("d")
	wanted()
	removed("e", "f")
	b.Close()
	wanted()
}

func eventually(t testing.TB, holds func() bool, what func() any) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("after five seconds: %v", what())
}

// isCollected waits for the collector to find what closes the channel.
func isCollected(t testing.TB, freed <-chan bool, otherwise string) {
	t.Helper()
	eventually(t, func() bool {
		runtime.GC()
		select {
		case <-freed:
			return true
		default:
			return false
		}
	}, func() any { return otherwise })
}

func TestG27ListenerDoesNotKeepTheCache(t *testing.T) {
	before := runtime.NumGoroutine()
	freed := make(chan bool)
	func() {
		b, err := NewBytes(WithCapacity(10), WithListener(10, func(Removal) {}))
		if err != nil {
			t.Fatal(err)
		}
		b.Set("k", []byte("v"))
		runtime.AddCleanup(b, func(done chan bool) { close(done) }, freed)
	}()
	isCollected(t, freed, "the cache is still there")
	eventually(t, func() bool { return runtime.NumGoroutine() <= before }, func() any { return "the goroutine is still there" })
}
