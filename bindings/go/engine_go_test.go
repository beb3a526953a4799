//go:build !cgo || pinyon_purego

package pinyon

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func engineOf(t *testing.T, s settings) (*engine, *ManualClock) {
	t.Helper()
	clock := NewManualClock()
	s.clock = clock
	e, err := newEngine(&s)
	if err != nil {
		t.Fatal(err)
	}
	return e, clock
}

// checked says what is wrong with the invariants at the head of engine_go.go, when nobody else is at work.
func checked(t *testing.T, e *engine) {
	t.Helper()
	var weight uint64
	for i := range e.shards {
		s := &e.shards[i]
		ordered, ending, slotted, tags := 0, 0, 0, 0
		for in := range s.order.queues {
			q := &s.order.queues[in]
			length, weight := 0, uint64(0)
			for n := q.head; n != nil; n = n.next {
				length++
				weight += n.weight
				if s.entries[n.key] != n || n.isIn != place(in) || n.weight == 0 || n.next == nil && q.tail != n {
					t.Errorf("%q is in the order", n.key)
				}
			}
			if length != q.length || weight != q.weight {
				t.Errorf("a queue of %d, that weigh %d, is said to be of %d, and %d", length, weight, q.length, q.weight)
			}
			ordered += length
		}
		if g := &s.order.ghosts; len(g.numbers) > len(g.row) {
			t.Errorf("%d ghosts in a row of %d", len(g.numbers), len(g.row))
		}
		for key, n := range s.entries {
			weight += n.weight
			if e.of(key) != s || n.key != key || s.slots.at[n.slot] != n {
				t.Errorf("%q is not where it belongs", key)
			}
			if n.weight > 0 {
				ordered--
			}
			if n.due != endless {
				ending++
				if s.ends[n.end] != n || n.due > n.expires() || n.end > 0 && s.ends[(n.end-1)/2].due > n.due {
					t.Errorf("%q is in a wrong place among the ends", key)
				}
			} else if n.expires() != endless {
				t.Errorf("the end of %q is not known", key)
			}
			for _, of := range n.tags {
				if _, is := of.entries[n]; !is || s.tagged[of.tag] != of {
					t.Errorf("%q is not under its tag %q", key, of.tag)
				}
			}
		}
		for _, n := range s.slots.at {
			if n != nil {
				slotted++
			}
		}
		for _, of := range s.tagged {
			tags += len(of.entries)
			for n := range of.entries {
				if s.entries[n.key] != n {
					t.Errorf("%q left, but not its tag %q", n.key, of.tag)
				}
			}
			if len(of.entries) == 0 {
				t.Errorf("the tag %q has no entries", of.tag)
			}
		}
		if ordered != 0 || ending != len(s.ends) || slotted != len(s.entries) || slotted+len(s.slots.free) != len(s.slots.at) {
			t.Errorf("shard %d: of %d entries %d too many are in the order; %d of %d ends, %d slots", i, len(s.entries), ordered, ending, len(s.ends), slotted)
		}
		for key, of := range s.leases.byKey {
			if of.key != key || s.leases.tokens[of.token] != of || of.overtaken {
				t.Errorf("the lease of %q is not whole", key)
			}
		}
	}
	stats := e.stats()
	if weight != stats.Weight || weight > stats.Capacity {
		t.Errorf("the entries weigh %d, the statistics say %d, the capacity is %d", weight, stats.Weight, stats.Capacity)
	}
	if gone := stats.Removed + stats.Cleared + stats.Invalidated + stats.Evicted + stats.Expired; stats.Added < gone || stats.Added-gone < stats.Entries {
		t.Errorf("added %d, gone %d, there %d", stats.Added, gone, stats.Entries)
	}
}

func TestEngineUnderManyGoroutines(t *testing.T) {
	for _, s := range []settings{
		{capacity: 50, unit: unitEntries, shards: 1, ttl: 30},
		{capacity: 200, unit: unitWeight, shards: 8, policy: Clock, idle: 20, refreshAfter: 10},
		{capacity: 20000, unit: unitBytes, shards: 4},
	} {
		s.queue = 64
		e, clock := engineOf(t, s)
		var running sync.WaitGroup
		for g := range 8 {
			running.Add(1)
			go func() {
				defer running.Done()
				r := rand.New(rand.NewPCG(uint64(g), 7))
				var tokens, tickets []uint64
				for range 3000 {
					anything(e, clock, r, &tokens, &tickets)
					if weight := e.weight.Load(); weight > s.capacity {
						t.Errorf("%d of %d", weight, s.capacity)
					}
				}
			}()
		}
		running.Wait()
		e.setCapacity(s.capacity)
		checked(t, e)
		e.clear()
		checked(t, e)
		if stats := e.stats(); stats.Entries != 0 || stats.Weight != 0 {
			t.Errorf("%+v", stats)
		}
	}
}

// anything does something with a key that others are at work with.
func anything(e *engine, clock *ManualClock, r *rand.Rand, tokens, tickets *[]uint64) {
	key := Key(fmt.Appendf(nil, "key %d", r.IntN(100)))
	value := bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(40))
	w := &write{ttl: uint64(r.IntN(3) * 20), idle: uint64(r.IntN(3) * 20), weight: uint64(r.IntN(20)), weightless: r.IntN(20) == 0}
	for i := range 3 {
		if r.IntN(6) == 0 {
			w.tags = append(w.tags, fmt.Sprint("tag ", i))
		}
	}
	some := func(of []uint64) uint64 {
		if len(of) == 0 {
			return 0
		}
		return of[r.IntN(len(of))]
	}
	switch r.IntN(30) {
	case 0, 1, 2, 3, 4:
		e.set(key, value, w)
	case 5:
		w.condition, w.expected = []condition{ifAbsent, ifPresent, ifEqual}[r.IntN(3)], value
		e.set(key, value, w)
	case 6:
		e.setMany([]Pair{{key, value}, {"other", value}}, w, make([]code, 2))
	case 7, 8:
		e.get(key, nil)
	case 9:
		func() {
			defer func() { _ = recover() }()
			e.view(key, func(value []byte) {
				e.remove(key)
				if len(value) > 0 && len(bytes.Trim(value, string(value[:1]))) > 0 {
					panic("torn")
				}
				panic("whole")
			})
		}()
	case 10:
		e.getMany([]string{key, "other"}, func(int, []byte) { e.touch("other") })
	case 11:
		e.metadata(key)
	case 12:
		e.touch(key)
	case 13:
		e.expireAfter(key, uint64(r.IntN(40)))
	case 14:
		e.counterAdd("counter", 1, 0, w)
	case 15:
		e.removeMany([]string{key, "none"}, make([]code, 2))
	case 16:
		e.take(key, nil)
	case 17, 18, 19:
		a, _ := e.acquire(key, uint64(r.IntN(3)), 5, nil)
		if a.token != 0 {
			*tokens = append(*tokens, a.token)
		}
		if a.ticket != 0 {
			*tickets = append(*tickets, a.ticket)
		}
	case 20, 21:
		e.complete(some(*tokens), value, w)
	case 22:
		e.abandon(some(*tokens))
	case 23:
		if a, _ := e.wait(some(*tickets), nil); a.token != 0 {
			*tokens = append(*tokens, a.token)
		}
	case 24:
		e.leave(some(*tickets))
	case 25:
		var cursor uint64
		for c := codeOK; c == codeOK; {
			_, c = e.page(&cursor, 16)
		}
	case 26:
		e.removals(16)
		e.maintain(10)
		clock.Advance(time.Millisecond)
	case 27:
		e.stats()
		e.shrink(e.weight.Load() / 2)
	case 28:
		e.setCapacity(e.capacity.Load())
		e.invalidateTag("tag 1")
	case 29:
		switch r.IntN(20) {
		case 0:
			e.clear()
		case 1:
			e.invalidateAll()
		}
	}
}

func TestEngineIsAMapWithRoomEnough(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		e, _ := engineOf(t, settings{capacity: 1 << 20, shards: uint32(1 + r.IntN(4)), policy: Policy(r.IntN(2))})
		model := map[string]string{}
		for range 2000 {
			key, value := fmt.Sprint(r.IntN(300)), fmt.Sprint(r.IntN(1000))
			was, there := model[key]
			want := map[bool]code{true: codeOK, false: codeMiss}[there]
			switch r.IntN(6) {
			case 0, 1:
				e.set(key, []byte(value), nil)
				model[key] = value
			case 2:
				if got := e.remove(key); got != want {
					t.Fatalf("remove %d", got)
				}
				delete(model, key)
			case 3:
				if got := e.set(key, []byte(value), &write{condition: ifPresent}); got != want {
					t.Fatalf("replace %d", got)
				}
				if there {
					model[key] = value
				}
			default:
				if got, c := e.get(key, nil); c != want || string(got) != was {
					t.Fatalf("%q %d, not %q", got, c, was)
				}
			}
		}
		seen, cursor := map[string]string{}, uint64(0)
		for c := codeOK; c == codeOK; {
			var pairs []Pair
			pairs, c = e.page(&cursor, 16)
			for _, pair := range pairs {
				if _, twice := seen[pair.Key]; twice || len(pairs) > 16 {
					t.Errorf("%q", pair.Key)
				}
				seen[pair.Key] = string(pair.Value)
			}
		}
		if fmt.Sprint(seen) != fmt.Sprint(model) {
			t.Error("what was seen is not what is there")
		}
		checked(t, e)
	}
}

func TestEngineKeepsNoKeyOfItsCaller(t *testing.T) {
	e, _ := engineOf(t, settings{capacity: 2, unit: unitWeight, queue: 10})
	b := []byte("key")
	e.set(Key(b), []byte("1"), &write{tags: []string{Key(b)}})
	e.set(Key(b), []byte("2"), &write{tags: []string{Key(b)}})
	e.set(Key(b), []byte("3"), &write{weight: 3})
	e.set(Key(b), []byte("4"), &write{tags: []string{Key(b)}})
	copy(b, "yek")
	removals, _ := e.removals(10)
	if len(removals) != 3 {
		t.Error(removals)
	}
	for _, r := range removals {
		if r.Key != "key" {
			t.Error(r)
		}
	}
	e.invalidateTag("key")
	checked(t, e)
	if e.count() != 0 {
		t.Error("the tag is not kept")
	}
}

func TestEngineMaintainsAllThatHasExpired(t *testing.T) {
	for n := range 60 {
		e, clock := engineOf(t, settings{capacity: 1000, shards: 4, idle: 100})
		for i := range n {
			e.set(fmt.Sprint(i), nil, nil)
			clock.Advance(time.Millisecond)
			e.get(fmt.Sprint(i/2), nil)
		}
		e.set("stays", nil, &write{idle: 10000})
		clock.Advance(time.Second)
		steps := 1
		for ; e.maintain(7) == codeMore; steps++ {
		}
		if e.count() != 1 || steps > n/7+5 {
			t.Errorf("%d: %d left after %d calls", n, e.count(), steps)
		}
		checked(t, e)
	}
}

func TestEngineMakesRoomForAnEntryThatGrowsNotAtItsOwnCost(t *testing.T) {
	for _, policy := range []Policy{ClockTinyLFU, Clock} {
		e, _ := engineOf(t, settings{capacity: 100, unit: unitWeight, shards: 8, policy: policy})
		for i := range 300 {
			for j := range 25 {
				e.set(fmt.Sprint("other ", j), nil, &write{weight: 4})
			}
			key := fmt.Sprint(i)
			e.set(key, nil, &write{weight: 10})
			if e.contains(key) == codeOK && e.set(key, nil, &write{weight: 95, condition: ifPresent}) != codeOK {
				t.Fatal("it was evicted to make room for itself")
			}
		}
		checked(t, e)
	}
}

func TestEngineGivesNoOutdatedValueToWhoCameAfterTheInvalidation(t *testing.T) {
	e, _ := engineOf(t, settings{capacity: 10})
	first, _ := e.acquire("k", 0, 0, nil)
	e.invalidateTag("t")
	second, c := e.acquire("k", 0, 0, nil)
	if c != codeWait {
		t.Fatal(c)
	}
	if c := e.complete(first.token, []byte("old"), &write{tags: []string{"t"}}); c != codeOvertaken {
		t.Error(c)
	}
	if a, c := e.wait(second.ticket, nil); c != codeLead || len(a.value) > 0 {
		t.Errorf("%q %d", a.value, c)
	}
}

func TestEngineForgetsLeasesAndTicketsThatNobodyComesBackFor(t *testing.T) {
	e, _ := engineOf(t, settings{capacity: 10, shards: 1})
	for i := range 10000 {
		e.acquire(fmt.Sprint(i), 1, 0, nil)
		e.acquire(fmt.Sprint(i), 1, 0, nil)
		if i%500 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	if l := &e.shards[0].leases; len(l.tokens)+len(l.tickets) > 5000 || len(l.byKey) != len(l.tokens) {
		t.Errorf("%d tokens of %d keys, %d tickets", len(l.tokens), len(l.byKey), len(l.tickets))
	}
	time.Sleep(2 * time.Millisecond)
	e.maintain(1)
	if l := &e.shards[0].leases; len(l.tokens)+len(l.tickets)+len(l.byKey) != 0 {
		t.Errorf("%d tokens, %d tickets", len(l.tokens), len(l.tickets))
	}
}

func TestEngineLendsToOneWhoWaitedForAsLongAsItAsked(t *testing.T) {
	e, _ := engineOf(t, settings{capacity: 10})
	first, _ := e.acquire("k", forever, 0, nil)
	second, _ := e.acquire("k", 1, 0, nil)
	e.abandon(first.token)
	if _, c := e.wait(second.ticket, nil); c != codeLead {
		t.Fatal(c)
	}
	time.Sleep(5 * time.Millisecond)
	if _, c := e.acquire("k", 0, 0, nil); c != codeLead {
		t.Error(c)
	}
}

// One that has seen the old capacity might still take weight by it.
func TestG01G05ACapacityIsNotSetBeforeWritesUnderWayAreOver(t *testing.T) {
	e, _ := engineOf(t, settings{capacity: 1000, unit: unitWeight, shards: 8})
	done := make(chan bool)
	e.change("k", func(*shard, *entry) written {
		go func() {
			e.setCapacity(10)
			close(done)
		}()
		select {
		case <-done:
			t.Error("set beside a write")
		case <-time.After(20 * time.Millisecond):
		}
		return written{value: nil, w: &write{weight: 10}}
	})
	<-done
	checked(t, e)
}
