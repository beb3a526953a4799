package pinyon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func made(t testing.TB, options ...Option) *Bytes {
	t.Helper()
	if len(options) == 0 {
		options = []Option{WithCapacity(1000)}
	}
	b, err := NewBytes(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func wants(t testing.TB, b *Bytes, key, want string) {
	t.Helper()
	if value, ok := b.Get(key); !ok || string(value) != want {
		t.Fatalf("Get(%q) is %q, %v; not %q", key, value, ok, want)
	}
}

func lacks(t testing.TB, b *Bytes, key string) {
	t.Helper()
	if value, ok := b.Get(key); ok {
		t.Fatalf("Get(%q) is %q, not nothing", key, value)
	}
}

func set(t testing.TB, b *Bytes, key, value string) {
	t.Helper()
	if err := b.Set(key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func TestReadsAndWrites(t *testing.T) {
	b := made(t)
	lacks(t, b, "jay")
	set(t, b, "jay", "seeds")
	set(t, b, "", "")
	wants(t, b, "jay", "seeds")
	wants(t, b, "", "")
	big := strings.Repeat("seed", 10_000)
	set(t, b, "big", big)
	wants(t, b, "big", big)
	if value, ok := b.Get(""); !ok || value == nil {
		t.Fatal("an empty value is not nil")
	}
	if !b.Contains("jay") || b.Contains("crow") || b.Len() != 3 {
		t.Fatal("Contains or Len")
	}
	if !b.Delete("jay") || b.Delete("jay") {
		t.Fatal("Delete says what it did")
	}
	if value, ok := b.Take("big"); !ok || string(value) != big || b.Contains("big") {
		t.Fatal("Take")
	}
}

func TestGetIntoAppends(t *testing.T) {
	b := made(t)
	set(t, b, "k", "value")
	dst := append(make([]byte, 0, 64), "ab"...)
	got, ok := b.GetInto("k", dst)
	if !ok || string(got) != "abvalue" || &got[0] != &dst[0] {
		t.Fatalf("%q, %v", got, ok)
	}
	for room := range 8 {
		dst := make([]byte, 1, 1+room)
		if got, ok := b.GetInto("k", dst); !ok || string(got[1:]) != "value" {
			t.Fatalf("with room for %d: %q", room, got)
		}
	}
	if got, ok := b.GetInto("none", dst); ok || string(got) != "ab" {
		t.Fatal("a miss returns dst")
	}
}

func TestG14GetIntoDoesNotAllocate(t *testing.T) {
	b := made(t)
	key := []byte(strings.Repeat("k", 40))
	b.Set(string(key), make([]byte, 64))
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := b.GetInto(Key(key), dst); !ok {
			t.Fatal("gone")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	if Native {
		if n := testing.AllocsPerRun(1000, func() { b.Set(Key(key), dst[:64]) }); n != 0 {
			t.Fatalf("Set: %v allocations", n)
		}
	}
	set(t, b, "k", "v")
	if n := testing.AllocsPerRun(1000, func() { b.Get("k") }); n > 1 && !underRace {
		t.Fatalf("Get: %v allocations", n)
	}
}

func TestG14G25ViewIsReleased(t *testing.T) {
	b := made(t)
	set(t, b, "k", "value")
	if !b.View("k", func(value []byte) {
		set(t, b, "k", "other")
		b.Delete("k")
		b.Clear()
		runtime.GC()
		if string(value) != "value" {
			t.Errorf("a view has changed: %q", value)
		}
	}) {
		t.Fatal("View")
	}
	set(t, b, "k", "value")
	func() {
		defer func() { recover() }()
		b.View("k", func([]byte) { panic("user") })
	}()
	b.Delete("k")
	if b.View("k", func([]byte) { t.Fatal("called without a value") }) {
		t.Fatal("View of nothing")
	}
	b.Maintain(1000)
	if s := b.Stats(); s.Retired > 1 || s.Entries != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestG06G07G09Lifetimes(t *testing.T) {
	clock := NewManualClock()
	b := made(t, WithCapacity(100), WithClock(clock), WithTTL(10*time.Second), WithIdle(4*time.Second))
	set(t, b, "default", "1")
	if err := b.SetTTL("short", []byte("2"), 1500*time.Microsecond); err != nil {
		t.Fatal(err)
	}
	if err := b.SetEntry("long", []byte("3"), Entry{TTL: Forever, Idle: Forever}); err != nil {
		t.Fatal(err)
	}
	if ttl, ok := b.TTL("short"); !ok || ttl != 2*time.Millisecond {
		t.Fatalf("rounded up: %v", ttl)
	}
	if ttl, ok := b.TTL("long"); !ok || ttl != Forever {
		t.Fatalf("%v", ttl)
	}
	clock.Advance(2 * time.Millisecond)
	lacks(t, b, "short")
	if _, ok := b.TTL("short"); ok {
		t.Fatal("TTL of what has expired")
	}
	clock.Advance(3 * time.Second)
	if !b.Touch("default") {
		t.Fatal("Touch")
	}
	clock.Advance(3 * time.Second)
	wants(t, b, "default", "1")
	clock.Advance(4 * time.Second)
	lacks(t, b, "default")
	wants(t, b, "long", "3")
	if ok, err := b.Expire("long", time.Second); !ok || err != nil {
		t.Fatal(ok, err)
	}
	clock.Advance(time.Second)
	lacks(t, b, "long")
	if b.Touch("long") {
		t.Fatal("Touch of nothing")
	}
}

func TestG10Conditions(t *testing.T) {
	b := made(t)
	for name, stored := range map[string]bool{"absent": true, "there": false} {
		set(t, b, "there", "1")
		if got := must[bool](t)(b.SetIfAbsent(name, []byte("2"), Entry{})); got != stored {
			t.Fatal(name, got)
		}
	}
	if !must[bool](t)(b.Replace("there", []byte("3"), Entry{})) || must[bool](t)(b.Replace("none", nil, Entry{})) {
		t.Fatal("Replace")
	}
	if must[bool](t)(b.CompareAndSwap("there", []byte("1"), []byte("4"), Entry{})) {
		t.Fatal("swapped what is another")
	}
	if !must[bool](t)(b.CompareAndSwap("there", []byte("3"), []byte("4"), Entry{TTL: time.Hour})) {
		t.Fatal("not swapped")
	}
	if must[bool](t)(b.CompareAndSwap("none", nil, []byte("4"), Entry{})) {
		t.Fatal("swapped nothing")
	}
	wants(t, b, "there", "4")
}

func TestG10Counters(t *testing.T) {
	b := made(t)
	for _, want := range []int64{5, 10, 15} {
		if now := must[int64](t)(b.Add("n", 5, Entry{})); now != want {
			t.Fatal(now)
		}
	}
	set(t, b, "text", "five")
	if _, err := b.Add("text", 1, Entry{}); !errors.Is(err, ErrNotCounter) {
		t.Fatal(err)
	}
	must[int64](t)(b.Add("max", math.MaxInt64, Entry{}))
	if _, err := b.Add("max", 1, Entry{}); !errors.Is(err, ErrOverflow) {
		t.Fatal(err)
	}
	if now := must[int64](t)(b.Add("max", -1, Entry{})); now != math.MaxInt64-1 {
		t.Fatal(now)
	}
	if now, err := made(t, WithCapacityWeight(10)).Add("n", 5, Entry{Weight: 11}); now != 0 || !errors.Is(err, ErrTooHeavy) {
		t.Fatal(now, err)
	}
}

func TestTags(t *testing.T) {
	b := made(t)
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprint("tag", i)
	}
	b.SetEntry("many", []byte("1"), Entry{Tags: many})
	b.SetEntry("one", []byte("2"), Entry{Tags: many[39:]})
	set(t, b, "none", "3")
	b.InvalidateTag("tag39")
	lacks(t, b, "many")
	lacks(t, b, "one")
	wants(t, b, "none", "3")
	b.InvalidateAll()
	lacks(t, b, "none")
}

func TestG17Iteration(t *testing.T) {
	b := made(t, WithCapacity(10_000))
	want := map[string]string{}
	for i := range 3000 {
		key, value := fmt.Sprint("key", i), strings.Repeat("v", i%50)
		want[key] = value
		set(t, b, key, value)
	}
	got := map[string]string{}
	for key, value := range b.All() {
		if _, twice := got[key]; twice {
			t.Fatal("seen twice: ", key)
		}
		got[key] = string(value)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatal("not what was written")
	}
	seen := 0
	for range b.Keys() {
		if seen++; seen == 300 {
			break
		}
	}
	for key := range b.Keys() {
		b.Delete(key)
	}
	if b.Len() != 0 {
		t.Fatal(b.Len())
	}
}

func TestBadSettings(t *testing.T) {
	for text, options := range map[string][]Option{
		"there is no capacity":                   {},
		"WithCapacity(0): at least 1":            {WithCapacity(0)},
		"WithCapacityBytes(1023): at least 1024": {WithCapacityBytes(1023)},
		"WithCapacityWeight(-1)":                 {WithCapacityWeight(-1)},
		"WithCapacity and WithCapacityBytes":     {WithCapacity(1), WithCapacityBytes(1 << 20)},
		"WithTTL(0s): must be above 0":           {WithCapacity(1), WithTTL(0)},
		"WithIdle(-1ns)":                         {WithCapacity(1), WithIdle(-1)},
		"WithRefreshAfter(0s)":                   {WithCapacity(1), WithRefreshAfter(0)},
		"WithNegativeTTL(0s)":                    {WithCapacity(1), WithNegativeTTL(0)},
		"WithShards(0): 1 to 4096":               {WithCapacity(1), WithShards(0)},
		"WithShards(4097)":                       {WithCapacity(1), WithShards(4097)},
		"WithPolicy(Policy(9))":                  {WithCapacity(1), WithPolicy(9)},
		"WithClock(nil)":                         {WithCapacity(1), WithClock(nil)},
		"WithListener: the listener is nil":      {WithCapacity(1), WithListener(1, nil)},
		"WithListener: a queue of 0":             {WithCapacity(1), WithListener(0, func(Removal) {})},
		"an option is nil":                       {nil},
		"a codec is for New":                     {WithCapacity(1), WithKeyCodec(JSON[string]())},
	} {
		b, err := NewBytes(options...)
		if b != nil || !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, %v; not %q", b, err, text)
		}
	}
}

func TestBadEntries(t *testing.T) {
	b := made(t)
	set(t, b, "k", "v")
	_, expire := b.Expire("k", 0)
	for i, err := range []error{
		b.SetTTL("k", nil, 0), b.SetTTL("k", nil, -time.Second), expire,
		b.SetEntry("k", nil, Entry{TTL: -1}), b.SetEntry("k", nil, Entry{Idle: -1}),
		b.SetEntry("k", nil, Entry{Weight: 1, Weightless: true}), b.MSet([]Pair{{"k", nil}}, Entry{TTL: -1}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Fatal(i, err)
		}
	}
	wants(t, b, "k", "v")
}

// Goroutines that do everything at once, each on keys of its own and on keys of all.
func TestG01G06G12Storm(t *testing.T) {
	b := made(t, WithCapacity(500), WithTTL(50*time.Millisecond), WithListener(100, func(Removal) {}))
	var all sync.WaitGroup
	for g := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 3000 {
				key := fmt.Sprint("key", (i*7+g)%700)
				value := []byte(key + strings.Repeat("-", i%60))
				switch i % 12 {
				case 0, 1, 2:
					b.Set(key, value)
				case 3:
					b.SetEntry(key, value, Entry{Tags: []string{fmt.Sprint(i % 5)}, TTL: time.Millisecond})
				case 4:
					b.Delete(key)
				case 5:
					b.SetIfAbsent(key, value, Entry{})
				case 6:
					for i, v := range b.MGet([]string{key, "key1", "key2"}) {
						if v != nil && !bytes.HasPrefix(v, []byte("key")) {
							t.Errorf("%d: %q", i, v)
						}
					}
				case 7:
					b.View(key, func(v []byte) {
						if !bytes.HasPrefix(v, []byte(key)) {
							t.Errorf("%q under %q", v, key)
						}
					})
				case 8:
					if i%100 == 8 {
						b.InvalidateTag(fmt.Sprint(i % 5))
					}
				case 9:
					if i%1000 == 9 {
						for key, v := range b.All() {
							if !bytes.HasPrefix(v, []byte(key)) {
								t.Errorf("%q under %q", v, key)
							}
						}
					}
				default:
					if v, ok := b.Get(key); ok && !bytes.HasPrefix(v, []byte(key)) {
						t.Errorf("%q under %q", v, key)
					}
				}
			}
		}()
	}
	all.Wait()
	if s := b.Stats(); s.Entries > 500 || s.Weight > 500 {
		t.Fatalf("%+v", s)
	}
}

func TestG16SetIfAbsentSeesNoValueInANegativeResultThatGoes(t *testing.T) {
	b := made(t, WithCapacity(100), WithNegativeTTL(time.Minute))
	var stop atomic.Bool
	var all sync.WaitGroup
	all.Add(1)
	go func() {
		defer all.Done()
		for !stop.Load() {
			b.GetOrLoad(context.Background(), "k", func(context.Context) ([]byte, error) { return nil, ErrNotFound })
			b.Delete("k")
		}
	}()
	for i := range 20_000 {
		if !must[bool](t)(b.SetIfAbsent("k", []byte("v"), Entry{})) {
			t.Errorf("call %d: not stored, though nothing was there", i)
			break
		}
		b.Delete("k")
	}
	stop.Store(true)
	all.Wait()
}

func TestReplaceAnswersForItsArgumentsFirst(t *testing.T) {
	for _, options := range [][]Option{{WithCapacity(10)}, {WithCapacity(10), WithNegativeTTL(time.Minute)}} {
		b := made(t, options...)
		if _, err := b.Replace("absent", nil, Entry{TTL: -1}); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
		b.Close()
		if _, err := b.Replace("absent", nil, Entry{}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}

func TestG07G09AClockDoesNotComeRoundAgain(t *testing.T) {
	clock := NewManualClock()
	b := made(t, WithCapacity(10), WithClock(clock), WithTTL(time.Hour))
	set(t, b, "k", "v")
	var all sync.WaitGroup
	for _, by := range []time.Duration{Forever, Forever, 2, -1} {
		all.Add(1)
		go func() {
			defer all.Done()
			clock.Advance(by)
		}()
	}
	all.Wait()
	lacks(t, b, "k")
}
