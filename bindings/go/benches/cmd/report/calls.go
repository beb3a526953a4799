package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"pinyon"
	"pinyon/benches"
)

// Where other programs run beside, a benchmark of a second measures them too. Here each thing is done for a fraction of a millisecond, in turn with
// the others, many times; a quartile of the times is what it takes undisturbed, and their quotients are of the same moments.
const (
	turns  = 4_000
	chunk  = 1_024
	stored = 1_000
)

type thing struct {
	name string
	do   func() // chunk times
}

func calls() {
	keys := benches.Keys(stored)
	together := []byte(strings.Join(keys, ""))
	cache := must(pinyon.NewBytes(pinyon.WithCapacity(2 * stored)))
	for i, key := range keys {
		check(cache.Set(key, benches.NewValue(i)))
	}
	asked := make([]string, chunk)
	for i := range asked {
		asked[i] = keys[i%stored]
	}
	var (
		room   = make([]byte, 0, benches.ValueSize)
		values [][]byte
		buffer []byte
		sum    int
	)
	batches := func(do func(keys []string)) func() {
		return func() {
			for i := 0; i < chunk; i += 64 {
				do(asked[i : i+64])
			}
		}
	}
	things := []thing{
		{"a call of C that does nothing", func() {
			for _, key := range asked {
				sum += benches.EmptyCall(key, room)
			}
		}},
		{"pinyon_get_copy, from C", func() { sum += benches.NativeGets(cache, together, chunk) }},
		{"GetInto", func() {
			for _, key := range asked {
				value, _ := cache.GetInto(key, room)
				sum += len(value)
			}
		}},
		{"pinyon_get, copy, pinyon_release, from C", func() { sum += benches.NativeGetHandles(cache, together, chunk) }},
		{"pinyon_get_copy by one call, nothing around", func() {
			check(cache.Shared(func(native unsafe.Pointer) {
				for _, key := range asked {
					if benches.GetCopy(native, key, room) {
						sum++
					}
				}
			}))
		}},
		{"pinyon_get_many of 64, from C, and copies", func() { sum += benches.NativeGetMany(cache, together, chunk) }},
		{"MView of 64, each key", batches(func(keys []string) {
			cache.MView(keys, func(_ int, value []byte) { sum += len(value) })
		})},
		{"MGetInto of 64, each key", batches(func(keys []string) {
			values, buffer = cache.MGetInto(keys, values, buffer)
			sum += len(values)
		})},
		{"MGet of 64, each key", batches(func(keys []string) { sum += len(cache.MGet(keys)) })},
		{"Set", func() {
			for _, key := range asked {
				check(cache.Set(key, room[:benches.ValueSize]))
			}
		}},
	}
	times := make([][]time.Duration, len(things))
	for range turns {
		for i, t := range things {
			began := time.Now()
			t.do()
			times[i] = append(times[i], time.Since(began))
		}
	}
	table := rows{{"", "ns, least", "lower quartile", "median"}}
	quartile := func(i int) float64 { return float64(times[i][turns/4]) }
	for i, t := range things {
		slices.Sort(times[i])
		row := []string{t.name}
		for _, at := range []int{0, turns / 4, turns / 2} {
			row = append(row, fmt.Sprintf("%.1f", float64(times[i][at])/chunk))
		}
		table = append(table, row)
	}
	fmt.Printf("\n### Calls, in turn, %d entries\n\n%v\nGetInto by (empty call + get from C): %.2f at the lower quartiles, %.2f at the medians.\n", stored, table,
		quartile(2)/(quartile(0)+quartile(1)), float64(times[2][turns/2])/float64(times[0][turns/2]+times[1][turns/2]))
}
