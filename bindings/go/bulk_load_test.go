package pinyon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// The key of a bulk load may change as soon as the call has returned: its result has keys, and its loader may go on.
func TestKeysOfABulkLoadMayChangeAfterTheCall(t *testing.T) {
	b := made(t)
	set(t, b, "there", "v")
	there, missing := []byte("there"), []byte("first")
	started, change, done := make(chan bool), make(chan bool), make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	got, err := b.BulkLoad(ctx, []string{Key(there), Key(missing)}, func(_ context.Context, missing []string) (map[string][]byte, error) {
		close(started)
		<-change
		if missing[0] != "first" {
			t.Errorf("asked for %q", missing[0])
		}
		defer close(done)
		return map[string][]byte{"first": []byte("v")}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	copy(there, "other")
	copy(missing, "other")
	close(change)
	<-done
	if string(got["there"]) != "v" {
		t.Errorf("%s", got)
	}
	eventually(t, func() bool { v, _ := b.Get("first"); return string(v) == "v" }, func() any { return "not under its key" })
}

func TestKeysOfATypedBulkLoadMayChangeAfterTheCall(t *testing.T) {
	c := typed[string, int](t)
	key := []byte("first")
	got, err := c.BulkLoad(t.Context(), []string{Key(key)}, func(_ context.Context, missing []string) (map[string]int, error) {
		return map[string]int{missing[0]: 1}, nil
	})
	copy(key, "other")
	if err != nil || got["first"] != 1 {
		t.Fatal(got, err)
	}
}

func TestBulkLoad(t *testing.T) {
	b := made(t, WithCapacity(100), WithNegativeTTL(time.Minute))
	set(t, b, "a", "A")
	var asked []string
	upper := func(_ context.Context, missing []string) (map[string][]byte, error) {
		asked = append(asked, missing...)
		found := map[string][]byte{"unasked": []byte("U")}
		for _, key := range missing {
			if key != "none" {
				found[key] = []byte(strings.ToUpper(key))
			}
		}
		return found, nil
	}
	for range 2 {
		got, err := b.BulkLoad(t.Context(), []string{"a", "b", "none", "c", "b"}, upper)
		if err != nil || fmt.Sprintf("%s", got) != "map[a:A b:B c:C]" {
			t.Fatalf("%s, %v", got, err)
		}
	}
	if fmt.Sprint(asked) != "[b none c]" {
		t.Fatal(asked)
	}
	lacks(t, b, "unasked")
	boom := errors.New("boom")
	got, err := b.BulkLoad(t.Context(), []string{"a", "d", "e"}, func(context.Context, []string) (map[string][]byte, error) {
		return map[string][]byte{"d": []byte("D")}, boom
	})
	if !errors.Is(err, boom) || fmt.Sprintf("%s", got) != "map[a:A d:D]" {
		t.Fatalf("%s, %v", got, err)
	}
	var panicked *PanicError
	if _, err = b.BulkLoad(t.Context(), []string{"e"}, func(context.Context, []string) (map[string][]byte, error) { panic(1) }); !errors.As(err, &panicked) {
		t.Fatal(err)
	}
	brought(t, b, "e", "E", brings("E"))
}

func TestG18BulkLoadsShareKeys(t *testing.T) {
	b := made(t, WithCapacity(1000))
	var mu sync.Mutex
	loaded := map[string]int{}
	var all sync.WaitGroup
	for g := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			keys := make([]string, 50)
			for i := range keys {
				keys[i] = fmt.Sprint((i + g*10) % 100)
			}
			rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			got, err := b.BulkLoad(context.Background(), keys, func(_ context.Context, missing []string) (map[string][]byte, error) {
				time.Sleep(time.Millisecond)
				found := map[string][]byte{}
				mu.Lock()
				defer mu.Unlock()
				for _, key := range missing {
					loaded[key]++
					found[key] = []byte(key)
				}
				return found, nil
			})
			if err != nil || len(got) != 50 {
				t.Error(len(got), err)
			}
			for key, value := range got {
				if key != string(value) {
					t.Errorf("%q under %q", value, key)
				}
			}
		}()
	}
	all.Wait()
	for key, times := range loaded {
		if times != 1 {
			t.Fatal(key, times)
		}
	}
}
