package pinyon

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// FuzzModel runs operations that bytes stand for on a cache with room for all, and on a map.
func FuzzModel(f *testing.F) {
	f.Add([]byte("\x00k\x01k\x02k\x03k\x04k\x05k\x06k\x07k\x08k\x09k\x0ak"))
	f.Add(bytes.Repeat([]byte{0, 1, 11, 2, 0, 7, 7, 1, 9, 1, 3, 1}, 20))
	f.Fuzz(func(t *testing.T, program []byte) {
		type entry struct {
			value string
			tag   byte
			ends  time.Duration
		}
		clock := NewManualClock()
		var now time.Duration
		b, err := NewBytes(WithCapacityBytes(1<<30), WithClock(clock))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		model := map[string]entry{}
		there := func(key string) (entry, bool) {
			e, ok := model[key]
			if ok && e.ends <= now {
				delete(model, key)
				ok = false
			}
			return e, ok
		}
		same := func(what, key string, got []byte, ok bool) {
			if want, there := there(key); ok != there || ok && string(got) != want.value {
				t.Fatalf("%s(%q) is %q, %v; not %q, %v", what, key, got, ok, want.value, there)
			}
		}
		for i := 0; i+1 < len(program); i += 2 {
			op, n := program[i], program[i+1]
			key := string(bytes.Repeat([]byte{n % 16}, int(n%16)*20))
			value := fmt.Sprint("value", i, bytes.Repeat([]byte{n}, int(n)))
			_, had := there(key)
			switch op % 16 {
			case 0:
				b.Set(key, []byte(value))
				model[key] = entry{value, 0, Forever}
			case 1:
				got, ok := b.Get(key)
				same("Get", key, got, ok)
			case 2:
				if b.Delete(key) != had {
					t.Fatal("Delete: ", !had)
				}
				delete(model, key)
			case 3:
				ttl := time.Duration(n) + 1
				b.SetTTL(key, []byte(value), ttl*time.Millisecond)
				model[key] = entry{value, 0, now + ttl*time.Millisecond}
			case 4:
				clock.Advance(time.Duration(n) * time.Millisecond)
				now += time.Duration(n) * time.Millisecond
			case 5:
				if stored, err := b.SetIfAbsent(key, []byte(value), Entry{}); stored == had || err != nil {
					t.Fatal("SetIfAbsent: ", stored, err)
				}
				if !had {
					model[key] = entry{value, 0, Forever}
				}
			case 6:
				if stored, err := b.Replace(key, []byte(value), Entry{}); stored != had || err != nil {
					t.Fatal("Replace: ", stored, err)
				}
				if had {
					model[key] = entry{value, 0, Forever}
				}
			case 7:
				b.SetEntry(key, []byte(value), Entry{Tags: []string{string(n % 4)}})
				model[key] = entry{value, 1 + n%4, Forever}
			case 8:
				b.InvalidateTag(string(n % 4))
				for key, e := range model {
					if e.tag == 1+n%4 {
						delete(model, key)
					}
				}
			case 9:
				keys := []string{key, "other", key}
				got := b.MGet(keys)
				same("MGet", key, got[0], got[0] != nil)
				same("MGet", key, got[2], got[2] != nil)
				same("MGet", "other", got[1], got[1] != nil)
			case 10:
				b.MSet([]Pair{{key, []byte(value)}, {"other", []byte(value)}}, Entry{})
				model[key], model["other"] = entry{value, 0, Forever}, entry{value, 0, Forever}
			case 11:
				got := map[string]string{}
				for key, value := range b.All() {
					got[key] = string(value)
				}
				for key := range model {
					if want, ok := there(key); ok && got[key] != want.value {
						t.Fatalf("All: %q under %q, not %q", got[key], key, want.value)
					}
				}
				if len(got) != len(model) {
					t.Fatalf("All: %d, not %d", len(got), len(model))
				}
			case 12:
				got, ok := b.Take(key)
				same("Take", key, got, ok)
				delete(model, key)
			case 13:
				want, _ := there(key)
				if swapped, err := b.CompareAndSwap(key, []byte(want.value), []byte(value), Entry{}); swapped != had || err != nil {
					t.Fatal("CompareAndSwap: ", swapped, err)
				}
				if had {
					model[key] = entry{value, 0, Forever}
				}
			case 14:
				want, _ := there(key)
				ttl, ok := b.TTL(key)
				left := want.ends - now
				if want.ends == Forever {
					left = Forever
				}
				if ok != had || ok && ttl != left {
					t.Fatalf("TTL: %v, %v; not %v", ttl, ok, left)
				}
			case 15:
				var got []byte
				ok := b.View(key, func(value []byte) { got = append([]byte{}, value...) })
				same("View", key, got, ok)
			}
		}
	})
}
