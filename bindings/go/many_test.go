package pinyon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMany(t *testing.T) {
	b := made(t)
	pairs := make([]Pair, 300)
	keys := make([]string, len(pairs))
	for i := range pairs {
		keys[i] = fmt.Sprint("key", i)
		pairs[i] = Pair{keys[i], bytes.Repeat([]byte{byte(i)}, i%90)}
	}
	if err := b.MSet(pairs, Entry{Tags: []string{"all"}}); err != nil {
		t.Fatal(err)
	}
	asked := append([]string{"none"}, keys...)
	got := b.MGet(asked)
	if len(got) != 301 || got[0] != nil {
		t.Fatal(len(got), got[0])
	}
	for i, pair := range pairs {
		if got[i+1] == nil || !bytes.Equal(got[i+1], pair.Value) {
			t.Fatalf("%d: %v", i, got[i+1])
		}
	}
	// Values that share memory do not grow into one another.
	_ = append(got[2], 0xff)
	if len(got[3]) > 0 && got[3][0] != 2 {
		t.Fatal("grown into the next")
	}
	if n := b.MDelete(asked[:101]); n != 100 {
		t.Fatal(n)
	}
	if b.Len() != 200 {
		t.Fatal(b.Len())
	}
	b.InvalidateTag("all")
	if got := b.MGet(keys); slices.ContainsFunc(got, func(v []byte) bool { return v != nil }) {
		t.Fatal("outdated, and read")
	}
	if len(b.MGet(nil)) != 0 || b.MDelete(nil) != 0 || b.MSet(nil, Entry{}) != nil {
		t.Fatal("of nothing")
	}
}

func TestMGetIntoUsesMemoryAgain(t *testing.T) {
	b := made(t)
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
		set(t, b, keys[i], strings.Repeat(keys[i], i%7))
	}
	var values [][]byte
	var buffer []byte
	for round := range 3 {
		for some := len(keys); some > 0; some -= 9 {
			values, buffer = b.MGetInto(keys[:some], values, buffer)
			for i, value := range values {
				if string(value) != strings.Repeat(keys[i], i%7) || value == nil {
					t.Fatalf("round %d: %q under %q", round, value, keys[i])
				}
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { values, buffer = b.MGetInto(keys, values, buffer) }); !underRace && (n > 3 || Native && n > 1) {
		t.Fatalf("%v allocations", n)
	}
}

func TestManyTellsWhichPairFailed(t *testing.T) {
	b := made(t, WithCapacityBytes(64<<10), WithShards(1))
	pairs := []Pair{{"a", []byte("1")}, {"b", make([]byte, 1<<20)}, {"c", []byte("3")}}
	err := b.MSet(pairs, Entry{})
	var failed *PairError
	if !errors.As(err, &failed) || failed.Index != 1 || failed.Key != "b" || !errors.Is(err, ErrTooHeavy) {
		t.Fatal(err)
	}
	wants(t, b, "a", "1")
	wants(t, b, "c", "3")
}

func TestG25MViewReleasesWhenItPanics(t *testing.T) {
	b := made(t)
	for i := range 100 {
		set(t, b, fmt.Sprint(i), "v")
	}
	func() {
		defer func() { recover() }()
		b.MView([]string{"1", "2", "3"}, func(i int, _ []byte) { panic(i) })
	}()
	b.Clear()
	b.Maintain(10_000)
	if s := b.Stats(); s.Entries != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestMGetTellsValuesFromOneAnotherBesideANegativeResult(t *testing.T) {
	b := made(t, WithCapacity(100), WithNegativeTTL(time.Minute))
	small, large := strings.Repeat("a", 16), strings.Repeat("b", largestKept+1) // for which no room that is kept is enough
	set(t, b, "a", small)
	set(t, b, "b", large)
	if _, err := b.GetOrLoad(t.Context(), "c", func(context.Context) ([]byte, error) { return nil, ErrNotFound }); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	got := b.MGet([]string{"a", "b", "c"})
	if string(got[0]) != small || string(got[1]) != large || got[2] != nil {
		t.Fatalf("%.20q, %.20q, %.20q", got[0], got[1], got[2])
	}
}

// What the first of many values takes says nothing of the others.
func TestG02ManyValuesTakeSomeMoreMemoryThanTheyAre(t *testing.T) {
	b := made(t, WithCapacity(1000))
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		set(t, b, keys[i], keys[i])
	}
	set(t, b, keys[0], strings.Repeat("a", 1<<20))
	values, buffer := b.MGetInto(keys, nil, nil)
	if cap(buffer) > 4<<20 {
		t.Error(cap(buffer), "bytes for 1 MiB")
	}
	for i, value := range values {
		if i > 0 && string(value) != keys[i] || i == 0 && len(value) != 1<<20 {
			t.Fatal(i, len(value))
		}
	}
}
