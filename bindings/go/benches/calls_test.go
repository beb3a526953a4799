package benches

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pinyon"
)

// Calls are measured on few entries, which lie in a near cache of the processor, so that the call is what is measured; and on many, where waiting for
// memory is what counts.
const (
	few  = 1_000
	many = 100_000
)

// shuffled is the keys of n entries in an order of chance, so that reads do not follow memory of the cache. They lie one after another, so that reads do
// follow the keys.
func shuffled(n int) []string {
	keys := Keys(n)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	together := strings.Join(keys, "")
	for i := range keys {
		keys[i] = together[i*KeySize : (i+1)*KeySize]
	}
	return keys
}

// filled is a cache with the entries, whose keys are its own.
func filled(cache Cache, keys []string) Cache {
	for i, key := range keys {
		cache.Set(strings.Clone(key), NewValue(i))
	}
	cache.Settle()
	return cache
}

func filledBytes(b *testing.B, keys []string) *pinyon.Bytes {
	cache, err := pinyon.NewBytes(pinyon.WithCapacity(2 * len(keys)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cache.Close() })
	filled(ours{cache}, keys)
	return cache
}

// each runs a benchmark with few and with many entries.
func each(b *testing.B, run func(b *testing.B, keys []string)) {
	for _, n := range []int{few, many} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) { run(b, shuffled(n)) })
	}
}

// eachPeer runs a benchmark with every cache, few and many entries in it.
func eachPeer(b *testing.B, run func(b *testing.B, cache Cache, keys []string)) {
	for _, peer := range Peers {
		b.Run("cache="+peer.Name, func(b *testing.B) {
			each(b, func(b *testing.B, keys []string) {
				cache := filled(peer.New(2*len(keys)), keys)
				run(b, cache, keys)
				if closer, ok := cache.(interface{ Close() }); ok {
					closer.Close()
				}
			})
		})
	}
}

// What a call of C costs that does nothing.
func BenchmarkEmptyCall(b *testing.B) {
	keys, buffer := shuffled(few), make([]byte, 0, ValueSize)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		EmptyCall(keys[i], buffer)
		if i++; i == len(keys) {
			i = 0
		}
	}
}

// What the library's read by copy costs in C.
func BenchmarkNativeGetCopy(b *testing.B) {
	each(b, func(b *testing.B, keys []string) {
		cache, together := filledBytes(b, keys), []byte(strings.Join(keys, ""))
		b.ResetTimer()
		if found := NativeGets(cache, together, b.N); found != b.N {
			b.Fatal(found, "found of", b.N)
		}
	})
}

// What the library's read of 64 keys costs in C, with a copy of each value; an operation is one key.
func BenchmarkNativeGetMany(b *testing.B) {
	each(b, func(b *testing.B, keys []string) {
		cache, together := filledBytes(b, keys), []byte(strings.Join(keys, ""))
		b.ResetTimer()
		NativeGetMany(cache, together, b.N)
	})
}

func BenchmarkGetInto(b *testing.B) {
	each(b, func(b *testing.B, keys []string) {
		cache, buffer := filledBytes(b, keys), make([]byte, 0, ValueSize)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, ok := cache.GetInto(keys[i], buffer); !ok {
				b.Fatal("a miss")
			}
			if i++; i == len(keys) {
				i = 0
			}
		}
	})
}

// perKey runs a read of 64 keys, and reports what one costs.
func perKey(b *testing.B, keys []string, read func(keys []string)) {
	const batch = 64
	keys = keys[:len(keys)/batch*batch]
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		read(keys[i : i+batch])
		if i += batch; i == len(keys) {
			i = 0
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/key")
}

func BenchmarkMGet(b *testing.B) {
	each(b, func(b *testing.B, keys []string) {
		cache := filledBytes(b, keys)
		b.Run("way=Into", func(b *testing.B) {
			var values [][]byte
			var buffer []byte
			perKey(b, keys, func(keys []string) { values, buffer = cache.MGetInto(keys, values, buffer) })
		})
		b.Run("way=View", func(b *testing.B) {
			sum := 0
			perKey(b, keys, func(keys []string) { cache.MView(keys, func(_ int, value []byte) { sum += len(value) }) })
		})
		b.Run("way=New", func(b *testing.B) {
			perKey(b, keys, func(keys []string) { cache.MGet(keys) })
		})
	})
}

func BenchmarkGet(b *testing.B) {
	eachPeer(b, func(b *testing.B, cache Cache, keys []string) {
		buffer := make([]byte, 0, ValueSize)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, ok := cache.Get(keys[i], buffer); !ok {
				b.Fatal("a miss")
			}
			if i++; i == len(keys) {
				i = 0
			}
		}
	})
}

// Writes over what is there.
func BenchmarkSet(b *testing.B) {
	eachPeer(b, func(b *testing.B, cache Cache, keys []string) {
		value := NewValue(7)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			cache.Set(keys[i], value)
			if i++; i == len(keys) {
				i = 0
			}
		}
	})
}

const (
	universe = 1_000_000
	drawn    = 1 << 22
)

var (
	zipf = sync.OnceValue(func() []int32 { return Zipf(universe, drawn, 1) })
	all  = sync.OnceValue(func() []string { return Keys(universe) })
)

// A read, and on a miss a write: of keys by Zipf's law, the cache holding a tenth of them.
func BenchmarkMixed(b *testing.B) {
	for _, peer := range Peers {
		b.Run("cache="+peer.Name, func(b *testing.B) {
			cache := peer.New(universe / 10)
			order, keys := zipf(), all()
			run(cache, order, keys, 0, drawn/4, NewValue(1))
			for goroutines := 1; goroutines <= 2; goroutines++ {
				b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) { mixed(b, cache, order, keys, goroutines) })
			}
		})
	}
}

func mixed(b *testing.B, cache Cache, order []int32, keys []string, goroutines int) {
	each := (b.N + goroutines - 1) / goroutines
	hits := make([]int, goroutines)
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() { hits[g] = run(cache, order, keys, drawn/4+g*drawn/3, each, NewValue(g)) })
	}
	group.Wait()
	total := 0
	for _, h := range hits {
		total += h
	}
	b.ReportMetric(100*float64(total)/float64(each*goroutines), "%hits")
}

func run(cache Cache, order []int32, keys []string, from, count int, value []byte) (hits int) {
	buffer := make([]byte, 0, ValueSize)
	for i := range count {
		key := keys[order[(from+i)%drawn]]
		if _, ok := cache.Get(key, buffer); ok {
			hits++
		} else {
			cache.Set(key, value)
		}
	}
	return hits
}

// The caches answer here as they are asked in the benchmarks.
func TestPeers(t *testing.T) {
	for _, peer := range Peers {
		cache := peer.New(many)
		cache.Set("a key", NewValue(3))
		cache.Settle()
		value, ok := cache.Get("a key", make([]byte, 0, ValueSize))
		if !ok || string(value) != string(NewValue(3)) {
			t.Errorf("%s: %v %v", peer.Name, value, ok)
		}
		if _, ok := cache.Get("another", nil); ok {
			t.Errorf("%s: found what is not there", peer.Name)
		}
	}
}

func TestTraces(t *testing.T) {
	files, err := TraceFiles("")
	if err != nil {
		t.Fatal(err)
	}
	trace, err := ReadTrace(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if trace.Unique < 1000 || len(trace.Keys) < trace.Unique {
		t.Errorf("%s: %d requests of %d keys", trace.Name, len(trace.Keys), trace.Unique)
	}
}

func TestZipf(t *testing.T) {
	counts := make([]int, 10)
	for _, i := range Zipf(10, 100_000, 1) {
		counts[i]++
	}
	// 1 / (1 + 1/2 + ... + 1/10) of all are the first.
	if counts[0] < 33_000 || counts[0] > 35_500 || counts[9] < 3_000 || counts[9] > 3_900 {
		t.Error(counts)
	}
}
