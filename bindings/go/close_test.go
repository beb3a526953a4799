package pinyon

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClose(t *testing.T) {
	b := made(t)
	set(t, b, "k", "v")
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	lacks(t, b, "k")
	if b.Len() != 0 || b.Contains("k") || b.Delete("k") || b.Touch("k") || b.View("k", nil) || b.Maintain(1) || b.Shrink(0) != 0 {
		t.Fatal("something is there")
	}
	if (b.Stats() != Stats{}) {
		t.Fatal("Stats")
	}
	_, ttl := b.TTL("k")
	_, taken := b.Take("k")
	if ttl || taken || b.MGet([]string{"k"})[0] != nil || b.MDelete([]string{"k"}) != 0 {
		t.Fatal("something is there")
	}
	b.Clear()
	b.InvalidateAll()
	b.InvalidateTag("tag")
	for range b.All() {
		t.Fatal("an entry")
	}
	_, add := b.Add("k", 1, Entry{})
	_, absent := b.SetIfAbsent("k", nil, Entry{})
	_, replace := b.Replace("k", nil, Entry{})
	_, swap := b.CompareAndSwap("k", nil, nil, Entry{})
	_, expire := b.Expire("k", 1)
	_, load := b.GetOrLoad(t.Context(), "k", never(t))
	_, bulk := b.BulkLoad(t.Context(), []string{"k"}, func(context.Context, []string) (map[string][]byte, error) { return nil, nil })
	for i, err := range []error{b.Set("k", nil), b.SetTTL("k", nil, 1), b.SetEntry("k", nil, Entry{}), b.SetCapacity(1),
		b.MSet([]Pair{{}}, Entry{}), add, absent, replace, swap, expire, load, bulk} {
		if !errors.Is(err, ErrClosed) {
			t.Fatal(i, err)
		}
	}
}

func TestG27CloseAmongCalls(t *testing.T) {
	for range 50 {
		b := made(t, WithCapacity(1000), WithListener(100, func(Removal) {}))
		var stop atomic.Bool
		var all sync.WaitGroup
		for g := range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := 0; !stop.Load(); i++ {
					key := fmt.Sprint(g, i%100)
					b.Set(key, []byte("value"))
					b.Get(key)
					b.View(key, func(v []byte) { _ = len(v) })
					b.MGet([]string{key, "x"})
				}
			}()
		}
		time.Sleep(time.Millisecond)
		b.Close()
		b.Close()
		stop.Store(true)
		all.Wait()
		runtime.GC()
	}
}
