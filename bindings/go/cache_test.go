package pinyon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func typed[K comparable, V any](t testing.TB, options ...Option) *Cache[K, V] {
	t.Helper()
	c, err := New[K, V](append([]Option{WithCapacity(1000)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// keeps writes every pair, and reads them back in every way.
func keeps[K comparable, V comparable](t *testing.T, want map[K]V, options ...Option) {
	t.Helper()
	c := typed[K, V](t, options...)
	for key, value := range want {
		if err := c.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range want {
		if got, ok := c.Get(key); !ok || got != value {
			t.Fatalf("%v: %v, %v", key, got, ok)
		}
	}
	if got := maps.Collect(c.All()); !maps.Equal(got, want) {
		t.Fatalf("All: %v", got)
	}
	got, err := c.MGet(slices.Collect(maps.Keys(want)))
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("MGet: %v, %v", got, err)
	}
	if c.Len() != len(want) {
		t.Fatal(c.Len())
	}
	if n, err := c.MDelete(slices.Collect(c.Keys())); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	if err := c.MSet(want, Entry{}); err != nil {
		t.Fatal(err)
	}
	if got := maps.Collect(c.All()); !maps.Equal(got, want) {
		t.Fatalf("MSet: %v", got)
	}
}

type (
	name  string
	point struct{ X, Y int32 }
	user  struct {
		Name string
		Age  int
	}
	gaps struct {
		A byte
		B int64
	}
)

func TestTypes(t *testing.T) {
	keeps(t, map[string]string{"": "", "a": "b"})
	keeps(t, map[name]name{"": "", "a": "b"})
	keeps(t, map[int]float64{0: 0, -1: 1.5})
	keeps(t, map[uint8]bool{0: true, 255: false})
	keeps(t, map[[4]byte]point{{1, 2, 3, 4}: {5, 6}, {}: {}})
	keeps(t, map[point]complex64{{1, -2}: 3i, {}: 0})
	keeps(t, map[netip.Addr]netip.AddrPort{netip.MustParseAddr("::1"): netip.MustParseAddrPort("[::1]:80")})
	keeps(t, map[string]user{"ada": {"Ada", 36}, "": {}}, WithValueCodec(JSON[user]()))
	keeps(t, map[string]user{"ada": {"Ada", 36}, "": {}}, WithValueCodec(Gob[user]()))
	keeps(t, map[user]gaps{{"Ada", 36}: {1, 2}, {}: {}}, WithKeyCodec(JSON[user]()), WithValueCodec(JSON[gaps]()))
}

func TestTypesWithoutACodecAreRefused(t *testing.T) {
	_, pointer := New[string, *user](WithCapacity(1))
	_, composite := New[string, user](WithCapacity(1))
	_, padded := New[gaps, int](WithCapacity(1))
	_, float := New[float64, int](WithCapacity(1))
	_, floatInside := New[struct{ A [2]float32 }, int](WithCapacity(1))
	_, wrong := New[string, user](WithCapacity(1), WithValueCodec(JSON[int]()))
	_, missing := New[string, user](WithCapacity(1), WithKeyCodec[string](nil))
	for text, err := range map[string]error{
		"no codec for *pinyon.user":      pointer,
		"no codec for pinyon.user: give": composite,
		"no codec for pinyon.gaps":       padded,
		"floating point numbers":         float,
		"keys of struct":                 floatInside,
		"is no Codec[pinyon.user]":       wrong,
		"WithKeyCodec(nil)":              missing,
	} {
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v; not %q", err, text)
		}
	}
}

func TestMarshalersByPointerAreValues(t *testing.T) {
	c := typed[int, big.Int](t, WithValueCodec(Gob[big.Int]()))
	if err := c.Set(1, *big.NewInt(1 << 60)); err != nil {
		t.Fatal(err)
	}
	if n, ok := c.Get(1); !ok || n.Int64() != 1<<60 {
		t.Fatal(n, ok)
	}
}

func TestTypedCalls(t *testing.T) {
	clock := NewManualClock()
	c := typed[int, string](t, WithClock(clock))
	if err := c.SetTTL(1, "one", time.Second); err != nil {
		t.Fatal(err)
	}
	if ttl, ok := c.TTL(1); !ok || ttl != time.Second {
		t.Fatal(ttl, ok)
	}
	if ok, err := c.Expire(1, time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	clock.Advance(time.Minute)
	if !c.Contains(1) || !c.Touch(1) || c.Contains(2) {
		t.Fatal("Contains or Touch")
	}
	if must[bool](t)(c.SetIfAbsent(1, "uno", Entry{})) || !must[bool](t)(c.SetIfAbsent(2, "two", Entry{})) {
		t.Fatal("SetIfAbsent")
	}
	if !must[bool](t)(c.Replace(1, "eins", Entry{})) || must[bool](t)(c.CompareAndSwap(1, "one", "uno", Entry{})) ||
		!must[bool](t)(c.CompareAndSwap(1, "eins", "uno", Entry{})) {
		t.Fatal("Replace or CompareAndSwap")
	}
	if value, ok := c.Take(1); !ok || value != "uno" || c.Delete(1) || !c.Delete(2) {
		t.Fatal("Take or Delete")
	}
	c.SetEntry(3, "three", Entry{Tags: []string{"odd"}})
	c.InvalidateTag("odd")
	if _, err := c.Lookup(3); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := c.SetTTL(3, "", 0); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
}

func TestTypedLoads(t *testing.T) {
	c := typed[int, user](t, WithValueCodec(JSON[user]()))
	load := func(context.Context) (user, error) { return user{"Ada", 36}, nil }
	for range 2 {
		if got, err := c.GetOrLoad(t.Context(), 7, load); err != nil || got.Name != "Ada" {
			t.Fatal(got, err)
		}
		load = func(context.Context) (user, error) { t.Error("it is there"); return user{}, nil }
	}
	if _, err := c.GetOrLoad(t.Context(), 8, func(context.Context) (user, error) { return user{}, ErrNotFound }); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	got, err := c.BulkLoad(t.Context(), []int{7, 8, 9}, func(_ context.Context, missing []int) (map[int]user, error) {
		if !slices.Equal(missing, []int{8, 9}) {
			t.Error(missing)
		}
		return map[int]user{9: {"Grace", 85}}, nil
	})
	if err != nil || fmt.Sprint(got) != "map[7:{Ada 36} 9:{Grace 85}]" {
		t.Fatal(got, err)
	}
}

// fails is a codec that fails.
type fails struct{ err error }

func (f fails) Append(dst []byte, v int) ([]byte, error) { return append(dst, "x"...), f.err }
func (f fails) Decode([]byte) (int, error)               { return 0, f.err }

func TestCodecsThatFail(t *testing.T) {
	boom := errors.New("boom")
	keys, values := typed[int, int](t, WithKeyCodec[int](fails{boom})), typed[int, int](t, WithValueCodec[int](fails{boom}))
	_, lookup := keys.Lookup(1)
	_, many := keys.MGet([]int{1})
	_, deleted := keys.MDelete([]int{1})
	_, load := keys.GetOrLoad(t.Context(), 1, func(context.Context) (int, error) { return 1, nil })
	_, bulk := keys.BulkLoad(t.Context(), []int{1}, func(context.Context, []int) (map[int]int, error) { return nil, nil })
	_, loaded := values.GetOrLoad(t.Context(), 1, func(context.Context) (int, error) { return 1, nil })
	_, expire := keys.Expire(1, 1)
	for i, err := range []error{lookup, many, deleted, load, bulk, loaded, expire, keys.Set(1, 1), values.Set(1, 1), keys.SetTTL(1, 1, 1),
		keys.MSet(map[int]int{1: 1}, Entry{}), values.MSet(map[int]int{1: 1}, Entry{})} {
		if !errors.Is(err, boom) {
			t.Fatal(i, err)
		}
	}
	if keys.Contains(1) || keys.Delete(1) {
		t.Fatal("something is there")
	}
	values.Bytes().Set("\x01\x00\x00\x00\x00\x00\x00\x00", []byte("unreadable"))
	if _, err := values.Lookup(1); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if _, ok := values.Get(1); ok || values.Stats().DecodeErrors != 2 {
		t.Fatal(values.Stats().DecodeErrors)
	}
	if got, err := values.MGet([]int{1}); len(got) != 0 || !errors.Is(err, boom) {
		t.Fatal(got, err)
	}
}

func TestAppendersMayReturnOtherMemory(t *testing.T) {
	c := typed[string, netip.Addr](t)
	if n := testing.AllocsPerRun(100, func() { c.Set("k", netip.IPv6Loopback()) }); n > 2 && Native && !underRace {
		t.Fatal(n)
	}
	ints := typed[int, int](t)
	ints.Set(1, 2)
	if n := testing.AllocsPerRun(100, func() { ints.Get(1) }); n != 0 && !underRace {
		t.Fatalf("Get: %v allocations", n)
	}
}
