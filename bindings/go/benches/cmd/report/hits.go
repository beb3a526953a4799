package main

import (
	"encoding/json"
	"fmt"
	"os"
	"unsafe"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/hashicorp/golang-lru/arc/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"pinyon"
	"pinyon/benches"
)

// player is a cache of so many entries: get says whether a key is there, set puts it there.
type player struct {
	get   func(key uint64) bool
	set   func(key uint64)
	close func()
}

type policy struct {
	name string
	make func(capacity int) player
}

// policies is the caches whose capacity is entries. Where a write is done later by another goroutine, set waits for it, as otter's own simulator
// does, so that the policies are compared and not their queues: Theine and Ristretto lose hits without.
var policies = []policy{
	{"Pinyon", func(capacity int) player {
		cache := must(pinyon.NewBytes(pinyon.WithCapacity(capacity)))
		var room [1]byte
		return player{
			func(key uint64) bool { _, ok := cache.GetInto(text(&key), room[:0]); return ok },
			func(key uint64) { check(cache.Set(text(&key), nil)) },
			func() { cache.Close() },
		}
	}},
	{"otter", func(capacity int) player {
		cache := otter.Must(&otter.Options[uint64, struct{}]{MaximumSize: capacity, Executor: func(f func()) { f() }})
		return player{
			func(key uint64) bool { _, ok := cache.GetIfPresent(key); return ok },
			func(key uint64) { cache.Set(key, struct{}{}) },
			func() { cache.StopAllGoroutines() },
		}
	}},
	{"theine", func(capacity int) player {
		cache := must(theine.NewBuilder[uint64, struct{}](int64(capacity)).Build())
		return player{
			func(key uint64) bool { _, ok := cache.Get(key); return ok },
			func(key uint64) { cache.Set(key, struct{}{}, 1); cache.Wait() },
			cache.Close,
		}
	}},
	{"ristretto", func(capacity int) player {
		cache := must(ristretto.NewCache(&ristretto.Config[uint64, struct{}]{
			NumCounters: int64(10 * capacity), MaxCost: int64(capacity), BufferItems: 64, IgnoreInternalCost: true,
		}))
		return player{
			func(key uint64) bool { _, ok := cache.Get(key); return ok },
			func(key uint64) { cache.Set(key, struct{}{}, 1); cache.Wait() },
			cache.Close,
		}
	}},
	{"LRU", func(capacity int) player {
		cache := must(lru.New[uint64, struct{}](capacity))
		return player{
			func(key uint64) bool { _, ok := cache.Get(key); return ok },
			func(key uint64) { cache.Add(key, struct{}{}) },
			func() {},
		}
	}},
	{"2Q", func(capacity int) player {
		cache := must(lru.New2Q[uint64, struct{}](capacity))
		return player{
			func(key uint64) bool { _, ok := cache.Get(key); return ok },
			func(key uint64) { cache.Add(key, struct{}{}) },
			func() {},
		}
	}},
	{"ARC", func(capacity int) player {
		cache := must(arc.NewARC[uint64, struct{}](capacity))
		return player{
			func(key uint64) bool { _, ok := cache.Get(key); return ok },
			func(key uint64) { cache.Add(key, struct{}{}) },
			func() {},
		}
	}},
}

func text(key *uint64) string { return unsafe.String((*byte)(unsafe.Pointer(key)), 8) }

// What of a trace's unique keys the caches hold, in percent, and the smallest cache that says anything.
var shares = []float64{0.1, 1, 5, 10, 20}

const smallest = 50

// cell is the hit ratios of one trace at one capacity, in percent, in the order of policies.
type cell struct {
	Trace    string
	Share    float64
	Capacity int
	Ratios   []float64
}

func play(t *benches.Trace, p policy, capacity int) float64 {
	cache := p.make(capacity)
	defer cache.close()
	hits := 0
	for _, key := range t.Keys {
		if cache.get(key) {
			hits++
		} else {
			cache.set(key)
		}
	}
	return 100 * float64(hits) / float64(len(t.Keys))
}

// playAll is the cells of one trace.
func playAll(file string) []cell {
	t := must(benches.ReadTrace(file))
	cells := []cell{}
	for _, share := range shares {
		capacity := int(share / 100 * float64(t.Unique))
		if capacity < smallest {
			continue
		}
		c := cell{t.Name, share, capacity, nil}
		for _, p := range policies {
			c.Ratios = append(c.Ratios, play(t, p, capacity))
		}
		fmt.Fprintf(os.Stderr, "%s %d %.2f\n", c.Trace, c.Capacity, c.Ratios)
		cells = append(cells, c)
	}
	return cells
}

func hitRatios() {
	files := must(benches.TraceFiles(os.Getenv("TRACES")))
	var cells []cell
	for _, file := range files {
		var some []cell
		check(json.Unmarshal(child("hits", file), &some))
		cells = append(cells, some...)
	}
	table := rows{{"trace", "capacity", "of keys"}}
	for _, p := range policies {
		table[0] = append(table[0], p.name)
	}
	means := make([]float64, len(policies))
	for _, c := range cells {
		row := []string{c.Trace, fmt.Sprint(c.Capacity), fmt.Sprintf("%v %%", c.Share)}
		for i, ratio := range c.Ratios {
			row = append(row, fmt.Sprintf("%.2f", ratio))
			means[i] += ratio / float64(len(cells))
		}
		table = append(table, row)
	}
	mean := []string{fmt.Sprintf("**mean of %d**", len(cells)), "", ""}
	for _, m := range means {
		mean = append(mean, fmt.Sprintf("**%.2f**", m))
	}
	table = append(table, mean)
	fmt.Print("\n### Hit ratio in percent\n\n", table)
}
