package pinyon

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestG01G03G05Capacities(t *testing.T) {
	b := made(t, WithCapacity(100))
	for i := range 1000 {
		set(t, b, fmt.Sprint(i), "v")
		if b.Len() > 100 {
			t.Fatal(b.Len())
		}
	}
	if err := b.SetCapacity(10); err != nil || b.Len() > 10 {
		t.Fatal(err, b.Len())
	}
	if n := b.Shrink(4); n != 6 || b.Len() != 4 {
		t.Fatal(n, b.Len())
	}
	if err := b.SetCapacity(0); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	inBytes := made(t, WithCapacityBytes(5000))
	for _, n := range []int64{-1, 0, 10, 1023} {
		err := inBytes.SetCapacity(n)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("SetCapacity(%d): at least 1", n)) {
			t.Fatal(err)
		}
		if n > 0 && !strings.Contains(err.Error(), "at least 1024") {
			t.Fatal(err)
		}
		if capacity := inBytes.Stats().Capacity; capacity != 5000 {
			t.Fatal(capacity)
		}
	}
	if err := inBytes.SetCapacity(1024); err != nil {
		t.Fatal(err)
	}
	w := made(t, WithCapacityWeight(100))
	if err := w.SetEntry("heavy", nil, Entry{Weight: 101}); !errors.Is(err, ErrTooHeavy) {
		t.Fatal(err)
	}
	w.SetEntry("free", nil, Entry{Weightless: true})
	w.SetEntry("all", nil, Entry{Weight: 100})
	if s := w.Stats(); s.Weight != 100 || s.Entries != 2 {
		t.Fatalf("%+v", s)
	}
}

func TestG29Stats(t *testing.T) {
	b := made(t)
	set(t, b, "k", "v")
	before := b.Stats()
	b.Get("k")
	b.Get("none")
	b.View("k", func([]byte) {})
	b.MGet([]string{"k", "none"})
	big := strings.Repeat("v", 100_000)
	set(t, b, "big", big)
	b.GetInto("big", nil)
	s := b.Stats().Sub(before)
	if s.Hits != 4 || s.Misses != 2 || s.Added != 1 || s.HitRatio() != 4./6 || s.Entries != 2 {
		t.Fatalf("%+v", s)
	}
	if (Stats{}).HitRatio() != 0 {
		t.Fatal("of nothing")
	}
	quiet := made(t, WithCapacity(10), WithoutStats())
	quiet.Get("k")
	if s := quiet.Stats(); s.Hits+s.Misses != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestHeapLimit(t *testing.T) {
	b := made(t, WithCapacityBytes(1<<20))
	limit := HeapLimit(100<<20, b)
	if Native && (limit > 99<<20 || limit < 90<<20) || !Native && limit != 100<<20 {
		t.Fatal(limit)
	}
	if limit := HeapLimit(100, b); Native && limit != 10 {
		t.Fatal(limit)
	}
	endless := made(t, WithCapacityBytes(math.MaxInt64))
	if limit := HeapLimit(100<<20, endless, endless, endless); Native && limit != 10<<20 || endless.MemoryBytes() < 0 {
		t.Fatal(limit, endless.MemoryBytes())
	}
}

func TestG29WhatLeavesAllAtOnceIsCountedByWhatWasAsked(t *testing.T) {
	clock := NewManualClock()
	b := made(t, WithCapacity(100), WithClock(clock), WithTTL(time.Second))
	set(t, b, "k", "v")
	clock.Advance(2 * time.Second)
	b.Clear()
	if s := b.Stats(); s.Cleared != 1 || s.Expired != 0 {
		t.Errorf("Clear: %+v", s)
	}
	set(t, b, "k", "v")
	clock.Advance(2 * time.Second)
	b.InvalidateAll()
	for b.Maintain(1000) {
	}
	if s := b.Stats(); s.Invalidated != 1 || s.Expired != 0 {
		t.Errorf("InvalidateAll: %+v", s)
	}
}

func TestG03G29ARefusalOverAnEntryCountsBoth(t *testing.T) {
	b := made(t, WithCapacityWeight(10))
	set(t, b, "k", "v")
	if err := b.SetEntry("k", nil, Entry{Weight: 11}); !errors.Is(err, ErrTooHeavy) {
		t.Fatal(err)
	}
	lacks(t, b, "k")
	if s := b.Stats(); s.Added != 1 || s.Replaced != 1 || s.Refused != 1 || s.Entries != 0 || s.Weight != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestG04ACounterInBytesIsWeighedAnew(t *testing.T) {
	b := made(t, WithCapacityBytes(64<<10))
	b.SetEntry("given", counter(1), Entry{Weight: 5000})
	b.SetEntry("nothing", counter(1), Entry{Weightless: true})
	b.Set("counted", counter(1))
	weights := map[string]uint64{}
	for _, key := range []string{"given", "nothing", "counted"} {
		if n := must[int64](t)(b.Add(key, 1, Entry{})); n != 2 {
			t.Fatal(n)
		}
		m, _ := b.Metadata(key)
		weights[key] = m.Weight
	}
	if weights["given"] >= 1000 || weights["nothing"] != 0 || weights["counted"] == 0 {
		t.Fatal(weights)
	}
}
