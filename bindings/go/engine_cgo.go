//go:build cgo && !pinyon_purego

package pinyon

/*
#include "shim.h"

// None of these keeps a pointer, so what they point to may stay on the stack; none calls Go.
#cgo noescape pgo_get
#cgo nocallback pgo_get
#cgo noescape pgo_view
#cgo nocallback pgo_view
#cgo noescape pgo_take
#cgo nocallback pgo_take
#cgo noescape pgo_release
#cgo nocallback pgo_release
#cgo noescape pgo_get_many
#cgo nocallback pgo_get_many
#cgo noescape pgo_copy_many
#cgo nocallback pgo_copy_many
#cgo noescape pgo_release_many
#cgo nocallback pgo_release_many
#cgo noescape pgo_remove_many
#cgo nocallback pgo_remove_many
#cgo noescape pgo_set
#cgo nocallback pgo_set
#cgo noescape pgo_set_with
#cgo nocallback pgo_set_with
#cgo noescape pgo_set_many
#cgo nocallback pgo_set_many
#cgo noescape pgo_counter_add
#cgo nocallback pgo_counter_add
#cgo noescape pgo_complete
#cgo nocallback pgo_complete
#cgo noescape pgo_contains
#cgo nocallback pgo_contains
#cgo noescape pgo_remove
#cgo nocallback pgo_remove
#cgo noescape pgo_touch
#cgo nocallback pgo_touch
#cgo noescape pgo_expire_after
#cgo nocallback pgo_expire_after
#cgo noescape pgo_invalidate_tag
#cgo nocallback pgo_invalidate_tag
#cgo noescape pgo_metadata
#cgo nocallback pgo_metadata
#cgo noescape pgo_acquire
#cgo nocallback pgo_acquire
#cgo noescape pgo_next_page
#cgo nocallback pgo_next_page
#cgo noescape pgo_release_items
#cgo nocallback pgo_release_items
#cgo noescape pgo_poll_removals
#cgo nocallback pgo_poll_removals
#cgo noescape pgo_release_removals
#cgo nocallback pgo_release_removals
#cgo noescape pgo_wait
#cgo nocallback pgo_wait
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// engine is a cache of the native library. The library's memory is freed when nothing refers to the engine any more, so a
// call that has one needs no count to keep it; but it must stay reachable until the call of C has returned, which is what
// the runtime.KeepAlive of each method is for.
type engine struct {
	cache    *C.pgo_cache
	clock    *ManualClock // the library reads it
	attached bool         // others have made it, and free it
}

func newEngine(s *settings) (*engine, error) {
	if loaded := uint32(C.pinyon_version()); loaded>>8 != C.PINYON_VERSION_MAJOR<<8|C.PINYON_VERSION_MINOR {
		return nil, fmt.Errorf("pinyon: built for version %d.%d of the library, and linked with %d.%d: build libpinyon anew (make go-lib)",
			C.PINYON_VERSION_MAJOR, C.PINYON_VERSION_MINOR, loaded>>16, loaded>>8&0xff)
	}
	var flags C.uint32_t
	for _, flag := range []struct {
		set bool
		bit C.uint32_t
	}{{s.withoutStats, C.PINYON_NO_STATISTICS}, {s.trackAge, C.PINYON_TRACK_AGE}, {s.hugePages, C.PINYON_HUGE_PAGES}} {
		if flag.set {
			flags |= flag.bit
		}
	}
	var clock *C.uint64_t
	if s.clock != nil {
		clock = (*C.uint64_t)(s.clock.now)
	}
	var text [256]byte
	var cache *C.pinyon_cache
	result := C.pgo_create(C.uint64_t(s.capacity), C.uint32_t(s.unit), C.uint32_t(s.policy), C.uint32_t(s.shards), flags,
		C.uint64_t(s.ttl), C.uint64_t(s.idle), C.uint64_t(s.refreshAfter), clock, C.size_t(s.queue),
		(*C.char)(unsafe.Pointer(&text)), C.size_t(len(text)), &cache)
	if result != 0 {
		return nil, errors.Join(code(result).err(), errors.New(C.GoString((*C.char)(unsafe.Pointer(&text)))))
	}
	e := engineOf(cache)
	e.clock = s.clock
	runtime.AddCleanup(e, func(native freed) { C.pinyon_free(native.cache) }, freed{cache, s.clock})
	return e, nil
}

func engineOf(cache *C.pinyon_cache) *engine {
	return &engine{cache: (*C.pgo_cache)(unsafe.Pointer(cache))}
}

// native is the cache as the library knows it.
func (e *engine) native() *C.pinyon_cache { return (*C.pinyon_cache)(unsafe.Pointer(e.cache)) }

// freed is what the end of an engine frees, with the clock that the library may read until then.
type freed struct {
	cache *C.pinyon_cache
	clock *ManualClock
}

func text(s string) *C.char { return (*C.char)(unsafe.Pointer(unsafe.StringData(s))) }
func data(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }

// out is a place that C fills in: see the head of shim.h.
func out[T any](place *T) *C.char { return (*C.char)(unsafe.Pointer(place)) }

func size[T string | []byte](of T) C.size_t {
	return C.size_t(len(of))
}

// native is a value in C's memory; one of no bytes lies nowhere.
func native(at unsafe.Pointer, size uint64) []byte {
	if size == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(at), size)
}

// free is the part of dst behind its end.
func free(dst []byte) []byte { return dst[len(dst):cap(dst)] }

// appended is dst with a value that C has found, which it has copied behind the end of dst if it fits.
func appended(dst []byte, v *C.pgo_value) []byte {
	if v.handle == nil {
		return dst[:len(dst)+int(v.size)]
	}
	dst = append(dst, native(v.data, uint64(v.size))...)
	C.pgo_release(v.handle)
	return dst
}

func (e *engine) get(key string, dst []byte) ([]byte, code) {
	stress()
	var v C.pgo_value
	room := free(dst)
	C.pgo_get(e.cache, text(key), size(key), data(room), size(room), out(&v))
	runtime.KeepAlive(e)
	if v.size <= size(room) {
		return dst[:len(dst)+int(v.size)], codeOK
	}
	if v.size == C.PGO_NONE {
		return dst, code(v.code)
	}
	return appended(dst, &v), codeOK
}

func (e *engine) view(key string, look func([]byte)) code {
	stress()
	var v C.pgo_value
	c := code(C.pgo_view(e.cache, text(key), size(key), out(&v)))
	runtime.KeepAlive(e)
	if c != codeOK {
		return c
	}
	defer C.pgo_release(v.handle)
	look(native(v.data, uint64(v.size)))
	return codeOK
}

func (e *engine) contains(key string) code {
	stress()
	c := code(C.pgo_contains(e.cache, text(key), size(key)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) metadata(key string) (metadata, code) {
	stress()
	var m C.pinyon_metadata
	c := code(C.pgo_metadata(e.cache, text(key), size(key), &m))
	runtime.KeepAlive(e)
	return metadata{age: uint64(m.age_ms), remaining: uint64(m.remaining_ms), idle: uint64(m.idle_ms), weight: uint64(m.weight)}, c
}

// said is a write as C takes it: nil of nil.
type said struct {
	write    C.pgo_write
	tags     []byte
	ends     []C.uint64_t
	expected []byte
}

func say(w *write) *said {
	s := &said{expected: w.expected}
	s.write = C.pgo_write{ttl: C.uint64_t(w.ttl), idle: C.uint64_t(w.idle), weight: C.uint64_t(w.weight), tag_count: C.uint64_t(len(w.tags)),
		flags: C.uint32_t(w.condition)}
	if w.weightless {
		s.write.flags |= C.PINYON_WEIGHTLESS
	}
	for _, tag := range w.tags {
		s.tags = append(s.tags, tag...)
		s.ends = append(s.ends, C.uint64_t(len(s.tags)))
	}
	return s
}

func (e *engine) set(key string, value []byte, w *write) code {
	stress()
	var c code
	if w == nil {
		c = code(C.pgo_set(e.cache, text(key), size(key), data(value), size(value)))
	} else {
		s := say(w)
		c = code(C.pgo_set_with(e.cache, text(key), size(key), data(value), size(value), &s.write, data(s.tags),
			unsafe.SliceData(s.ends), data(s.expected), size(s.expected)))
	}
	runtime.KeepAlive(e)
	return c
}

func (e *engine) counterAdd(key string, delta, initial int64, w *write) (int64, code) {
	stress()
	if w == nil {
		w = &write{}
	}
	s := say(w)
	var now C.int64_t
	c := code(C.pgo_counter_add(e.cache, text(key), size(key), C.int64_t(delta), C.int64_t(initial), &s.write, data(s.tags),
		unsafe.SliceData(s.ends), data(s.expected), size(s.expected), &now))
	runtime.KeepAlive(e)
	return int64(now), c
}

func (e *engine) remove(key string) code {
	stress()
	c := code(C.pgo_remove(e.cache, text(key), size(key)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) take(key string, dst []byte) ([]byte, code) {
	stress()
	var v C.pgo_value
	c := code(C.pgo_take(e.cache, text(key), size(key), out(&v)))
	runtime.KeepAlive(e)
	if c != codeOK {
		return dst, c
	}
	return appended(dst, &v), c
}

func (e *engine) touch(key string) code {
	stress()
	c := code(C.pgo_touch(e.cache, text(key), size(key)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) expireAfter(key string, ttl uint64) code {
	stress()
	c := code(C.pgo_expire_after(e.cache, text(key), size(key), C.uint64_t(ttl)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) clear() {
	stress()
	C.pinyon_clear(e.native())
	runtime.KeepAlive(e)
}

func (e *engine) invalidateAll() {
	stress()
	C.pinyon_invalidate_all(e.native())
	runtime.KeepAlive(e)
}

func (e *engine) invalidateTag(tag string) {
	stress()
	C.pgo_invalidate_tag(e.cache, text(tag), size(tag))
	runtime.KeepAlive(e)
}

// batch is the room for one call with many keys: keys and values one after another, and where each ends.
type batch struct {
	keys, values       []byte
	keyEnds, valueEnds [C.PGO_BATCH]C.uint64_t
	found              [C.PGO_BATCH]C.pinyon_found
	sizes              [C.PGO_BATCH]C.int64_t
	codes              [C.PGO_BATCH]C.int32_t
	items              []C.pinyon_item
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) release() {
	if cap(b.keys)+cap(b.values) <= largestKept {
		batches.Put(b)
	}
}

func (b *batch) putKeys(keys []string) {
	b.keys = b.keys[:0]
	for i, key := range keys {
		b.keys = append(b.keys, key...)
		b.keyEnds[i] = C.uint64_t(len(b.keys))
	}
}

func (e *engine) getMany(keys []string, each func(int, []byte)) {
	stress()
	b := batches.Get().(*batch)
	defer b.release()
	for from := 0; from < len(keys); from += C.PGO_BATCH {
		some := keys[from:min(from+C.PGO_BATCH, len(keys))]
		b.putKeys(some)
		C.pgo_get_many(e.cache, data(b.keys), &b.keyEnds[0], C.size_t(len(some)), out(&b.found))
		b.each(from, len(some), each)
	}
	runtime.KeepAlive(e)
}

func (e *engine) getManyInto(keys []string, values [][]byte, buffer []byte) []byte {
	stress()
	b := batches.Get().(*batch)
	defer b.release()
	for from := 0; from < len(keys); from += C.PGO_BATCH {
		some := keys[from:min(from+C.PGO_BATCH, len(keys))]
		b.putKeys(some)
		room := free(buffer)
		copied := int(C.pgo_copy_many(e.cache, data(b.keys), &b.keyEnds[0], C.size_t(len(some)), data(room), size(room), &b.sizes[0], out(&b.found)))
		for i, size := range b.sizes[:copied] {
			if size >= 0 {
				buffer = buffer[:len(buffer)+int(size)]
				values[from+i] = last(buffer, int(size))
			}
		}
		for i := copied; i < len(some); i++ {
			if found := &b.found[i]; code(found.code) == codeOK {
				value := native(found.value.data, uint64(found.value.size))
				buffer = placed(buffer, value, len(keys)-from-i)
				values[from+i] = last(buffer, len(value))
			}
		}
		if copied < len(some) {
			C.pgo_release_many(out(&b.found), C.size_t(len(some)))
		}
	}
	runtime.KeepAlive(e)
	return buffer
}

// each shows what was found, and releases it, also when that panics.
func (b *batch) each(from, count int, each func(int, []byte)) {
	defer C.pgo_release_many(out(&b.found), C.size_t(count))
	for i := range b.found[:count] {
		if found := &b.found[i]; code(found.code) == codeOK {
			each(from+i, native(found.value.data, uint64(found.value.size)))
		}
	}
}

func (e *engine) removeMany(keys []string, codes []code) {
	stress()
	b := batches.Get().(*batch)
	defer b.release()
	for from := 0; from < len(keys); from += C.PGO_BATCH {
		some := keys[from:min(from+C.PGO_BATCH, len(keys))]
		b.putKeys(some)
		C.pgo_remove_many(e.cache, data(b.keys), &b.keyEnds[0], C.size_t(len(some)), &b.codes[0])
		b.tell(codes[from:], len(some))
	}
	runtime.KeepAlive(e)
}

func (b *batch) tell(codes []code, count int) {
	for i, c := range b.codes[:count] {
		codes[i] = code(c)
	}
}

func (e *engine) setMany(pairs []Pair, w *write, codes []code) {
	stress()
	b := batches.Get().(*batch)
	defer b.release()
	var what *C.pgo_write
	s := new(said)
	if w != nil {
		s = say(w)
		what = &s.write
	}
	for from := 0; from < len(pairs); {
		count := 0
		b.keys, b.values = b.keys[:0], b.values[:0]
		for _, pair := range pairs[from:] {
			b.keys, b.values = append(b.keys, pair.Key...), append(b.values, pair.Value...)
			b.keyEnds[count], b.valueEnds[count] = C.uint64_t(len(b.keys)), C.uint64_t(len(b.values))
			if count++; count == C.PGO_BATCH || len(b.values) >= largestKept {
				break
			}
		}
		for i := range b.codes[:count] {
			b.codes[i] = C.PINYON_ERR_MEMORY // which stays if there is none for the tags
		}
		result := C.pgo_set_many(e.cache, data(b.keys), &b.keyEnds[0], data(b.values), &b.valueEnds[0], C.size_t(count), what,
			data(s.tags), unsafe.SliceData(s.ends), data(s.expected), size(s.expected), &b.codes[0])
		if result < 0 && code(result) != codeMemory { // then no code of a pair was written
			for i := range b.codes[:count] {
				b.codes[i] = result
			}
		}
		b.tell(codes[from:], count)
		from += count
	}
	runtime.KeepAlive(e)
}

func found(a *C.pgo_acquired, c code, dst []byte) acquired {
	got := acquired{value: dst, token: uint64(a.token), ticket: uint64(a.ticket)}
	if c == codeOK || c == codeStale {
		got.value = appended(dst, &a.value)
	}
	return got
}

func (e *engine) acquire(key string, lasting, refreshAfter uint64, dst []byte) (acquired, code) {
	stress()
	var a C.pgo_acquired
	room := free(dst)
	c := code(C.pgo_acquire(e.cache, text(key), size(key), C.uint64_t(lasting), C.uint64_t(refreshAfter), data(room), size(room), out(&a)))
	runtime.KeepAlive(e)
	return found(&a, c, dst), c
}

func (e *engine) wait(ticket uint64, dst []byte) (acquired, code) {
	stress()
	var a C.pgo_acquired
	room := free(dst)
	c := code(C.pgo_wait(e.cache, C.uint64_t(ticket), data(room), size(room), out(&a)))
	runtime.KeepAlive(e)
	return found(&a, c, dst), c
}

func (e *engine) complete(token uint64, value []byte, w *write) code {
	stress()
	if w == nil {
		w = &write{}
	}
	s := say(w)
	c := code(C.pgo_complete(e.cache, C.uint64_t(token), data(value), size(value), &s.write, data(s.tags), unsafe.SliceData(s.ends),
		data(s.expected), size(s.expected)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) abandon(token uint64) code {
	stress()
	c := code(C.pinyon_abandon(e.native(), C.uint64_t(token)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) leave(ticket uint64) code {
	stress()
	c := code(C.pinyon_leave(e.native(), C.uint64_t(ticket)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) page(cursor *uint64, limit int) ([]Pair, code) {
	stress()
	var count C.size_t
	for {
		items := make([]C.pinyon_item, limit)
		c := code(C.pgo_next_page(e.cache, (*C.uint64_t)(cursor), out(&items[0]), C.size_t(limit), &count))
		runtime.KeepAlive(e)
		if c == codeTooSmall { // more keys of one hash than that
			limit = int(count)
			continue
		}
		pairs := make([]Pair, count)
		for i := range pairs {
			pairs[i] = pair(&items[i])
		}
		if count > 0 {
			C.pgo_release_items(out(&items[0]), count)
		}
		return pairs, c
	}
}

func pair(item *C.pinyon_item) Pair {
	return Pair{string(native(item.key.data, uint64(item.key.size))), append([]byte{}, native(item.value.data, uint64(item.value.size))...)}
}

func (e *engine) removals(limit int) ([]Removal, code) {
	stress()
	found := make([]C.pinyon_removal, limit)
	var count C.size_t
	c := code(C.pgo_poll_removals(e.cache, out(&found[0]), C.size_t(limit), &count))
	runtime.KeepAlive(e)
	removals := make([]Removal, count)
	for i := range removals {
		removals[i] = Removal{pair(&found[i].item), Cause(found[i].cause)}
	}
	C.pgo_release_removals(out(&found[0]), count)
	return removals, c
}

func (e *engine) count() uint64 {
	stress()
	count := uint64(C.pinyon_count(e.native()))
	runtime.KeepAlive(e)
	return count
}

func (e *engine) stats() Stats {
	stress()
	var s C.pinyon_stats
	s.struct_size = C.sizeof_pinyon_stats
	C.pinyon_get_stats(e.native(), &s)
	runtime.KeepAlive(e)
	return Stats{
		Hits: uint64(s.hits), Misses: uint64(s.misses),
		Added: uint64(s.added), Replaced: uint64(s.replaced),
		Removed: uint64(s.removed), Cleared: uint64(s.cleared), Invalidated: uint64(s.invalidated),
		Refused: uint64(s.refused),
		Evicted: uint64(s.evicted), EvictedWeight: uint64(s.evicted_weight),
		Expired: uint64(s.expired), ExpiredWeight: uint64(s.expired_weight),
		Loads: uint64(s.loads), LoadFailures: uint64(s.load_failures), LoadTime: time.Duration(s.load_nanos),
		Coalesced: uint64(s.coalesced), StaleLoads: uint64(s.stale_loads), NoticesLost: uint64(s.removals_lost),
		Waiting: uint64(s.waiting), Entries: uint64(s.entries), Weight: uint64(s.weight), Capacity: uint64(s.capacity),
		Retired: uint64(s.retired), OverheadBytes: uint64(s.overhead_bytes),
	}
}

func (e *engine) setCapacity(capacity uint64) code {
	stress()
	c := code(C.pinyon_set_capacity(e.native(), C.uint64_t(capacity)))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) shrink(weight uint64) uint64 {
	stress()
	var evicted C.uint64_t
	C.pinyon_shrink(e.native(), C.uint64_t(weight), &evicted)
	runtime.KeepAlive(e)
	return uint64(evicted)
}

func (e *engine) maintain(budget int) code {
	stress()
	c := code(C.pinyon_maintain(e.native(), C.size_t(max(budget, 0))))
	runtime.KeepAlive(e)
	return c
}

func (e *engine) discard() {
	if e.attached {
		return
	}
	e.clear()
	e.setCapacity(1024)
	e.maintain(1 << 20)
}
