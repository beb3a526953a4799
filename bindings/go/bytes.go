package pinyon

import (
	"bytes"
	"crypto/rand"
	"sync/atomic"
	"time"
	"unsafe"
)

// Bytes is a cache of byte strings. All its methods may be called from any goroutines at once.
//
// Keys and values are copied in and out, and may be empty. A read is a use of its entry: it keeps it from being evicted and
// restarts its idle time; what does not say that it touches nothing is a use.
type Bytes struct {
	open     atomic.Pointer[engine] // nil: closed
	mark     []byte                 // the value that stands for ErrNotFound; nil: there is none
	negative uint64                 // how long one lives, in milliseconds
	unit     unit
	loads    loads
	waiting  atomic.Int64 // calls that wait for another's load
	lent     *lent        // nil, but of an attached cache
	notices  *notices
}

// Key is a string of the bytes of b, without a copy: to be an argument of a call, and not to be used after b has changed.
//
//	value, ok := cache.Get(pinyon.Key(packet[4:20]))
func Key(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// NewBytes makes a cache. Exactly one capacity must be among the options. Errors are [ErrInvalid].
func NewBytes(options ...Option) (*Bytes, error) {
	c, err := configured(options)
	if err != nil {
		return nil, err
	}
	if c.keyCodec != nil || c.valueCodec != nil {
		return nil, invalid("a codec is for New: NewBytes takes bytes as they are")
	}
	return newBytes(c)
}

func newBytes(c *config) (*Bytes, error) {
	e, err := newEngine(&c.settings)
	if err != nil {
		return nil, err
	}
	b := &Bytes{unit: c.unit}
	if c.negative != 0 {
		b.negative, b.mark = c.negative, make([]byte, 16)
		rand.Read(b.mark)
	}
	b.open.Store(e)
	if c.listener != nil {
		b.notices = listen(b, c.listener)
	}
	return b, nil
}

// absent says that a value is the mark of one that was not found.
func (b *Bytes) absent(value []byte) bool { return b.mark != nil && bytes.Equal(value, b.mark) }

// Get is a copy of a value.
func (b *Bytes) Get(key string) (value []byte, ok bool) {
	r := rooms.Get().(*room)
	defer r.release()
	found, ok := b.GetInto(key, r.value[:0])
	if !ok {
		return nil, false
	}
	if len(found) > cap(r.value) {
		return found, true // which has memory of its own
	}
	return append(make([]byte, 0, len(found)), found...), true
}

// GetInto appends a value to dst, without an allocation if there is room behind it. Without a value it returns dst.
func (b *Bytes) GetInto(key string, dst []byte) (value []byte, ok bool) {
	e := b.open.Load()
	if e == nil {
		return dst, false
	}
	value, c := e.get(key, dst)
	if c != codeOK || b.mark != nil && b.absent(value[len(dst):]) {
		return dst, false
	}
	return value, true
}

// View calls look with a value in place, without a copy: it must not be changed, nor used after look has returned. A removal or
// a write meanwhile does not disturb it. look may call the cache; if it panics the value is released all the same.
func (b *Bytes) View(key string, look func(value []byte)) bool {
	e := b.open.Load()
	if e == nil {
		return false
	}
	if b.mark != nil {
		there := false
		e.view(key, func(value []byte) {
			if there = !b.absent(value); there {
				look(value)
			}
		})
		return there
	}
	return e.view(key, look) == codeOK
}

// Contains says whether there is a value. Touches nothing.
func (b *Bytes) Contains(key string) bool {
	if b.mark != nil {
		return b.View(key, func([]byte) {})
	}
	e := b.open.Load()
	return e != nil && e.contains(key) == codeOK
}

// Metadata is what is known of an entry beside its value; durations are [Forever] where there is no end, or no knowing.
type Metadata struct {
	Age       time.Duration // since it was written; known of entries with a lifetime, and with WithAge
	Remaining time.Duration // until it expires
	Idle      time.Duration // how long it lives unread
	Weight    uint64
}

// Metadata of an entry. Touches nothing.
func (b *Bytes) Metadata(key string) (Metadata, bool) {
	e := b.open.Load()
	if e == nil || b.mark != nil && !b.Contains(key) {
		return Metadata{}, false
	}
	m, c := e.metadata(key)
	if c != codeOK {
		return Metadata{}, false
	}
	return Metadata{since(m.age), since(m.remaining), since(m.idle), m.weight}, true
}

func since(ms uint64) time.Duration {
	if ms >= uint64(Forever/time.Millisecond) {
		return Forever
	}
	return time.Duration(ms) * time.Millisecond
}

// TTL is how long an entry still lives, [Forever] if it has no lifetime. Touches nothing.
func (b *Bytes) TTL(key string) (time.Duration, bool) {
	m, ok := b.Metadata(key)
	return m.Remaining, ok
}

// Set writes a value, whatever is there. The errors are [ErrClosed], [ErrTooHeavy], [ErrMemory].
func (b *Bytes) Set(key string, value []byte) error {
	e := b.open.Load()
	if e == nil {
		return ErrClosed
	}
	return e.set(key, value, nil).err()
}

// SetTTL writes a value that lives for ttl, to the millisecond, rounded up. It must be above 0, or [Forever].
func (b *Bytes) SetTTL(key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return invalid("SetTTL: a time to live of %v: must be above 0; call Delete for what should not be there", ttl)
	}
	return b.SetEntry(key, value, Entry{TTL: ttl})
}

// SetEntry writes a value with a lifetime, a weight and tags.
func (b *Bytes) SetEntry(key string, value []byte, entry Entry) error {
	w, err := entry.write()
	if err != nil {
		return err
	}
	e := b.open.Load()
	if e == nil {
		return ErrClosed
	}
	return e.set(key, value, w).err()
}

// under writes a value under a condition. Without an error the code is codeOK if that held; else codeMiss if nothing is there, and
// codeNotStored if something is.
func (b *Bytes) under(key string, value []byte, when condition, expected []byte, entry *Entry) (code, error) {
	w, err := entry.write()
	if err != nil {
		return codeArgument, err
	}
	e := b.open.Load()
	if e == nil {
		return codeMiss, ErrClosed
	}
	if w == nil {
		w = new(write)
	}
	w.condition, w.expected = when, expected
	c := e.set(key, value, w)
	return c, c.err()
}

// SetIfAbsent writes a value if nothing is there, and says whether it did. Atomic.
func (b *Bytes) SetIfAbsent(key string, value []byte, entry Entry) (bool, error) {
	for {
		c, err := b.under(key, value, ifAbsent, nil, &entry)
		if c == codeNotStored && b.mark != nil {
			if c, err = b.under(key, value, ifEqual, b.mark, &entry); c == codeMiss && err == nil {
				continue // it was the mark, which has gone
			}
		}
		return c == codeOK, err
	}
}

// Replace writes a value if something is there, and says whether it did. Atomic.
func (b *Bytes) Replace(key string, value []byte, entry Entry) (bool, error) {
	if b.mark != nil {
		return b.replaceMarked(key, value, entry)
	}
	c, err := b.under(key, value, ifPresent, nil, &entry)
	return c == codeOK, err
}

// replaceMarked is Replace where what is there may be the mark.
func (b *Bytes) replaceMarked(key string, value []byte, entry Entry) (bool, error) {
	if _, err := entry.write(); err != nil {
		return false, err
	}
	for {
		old, ok := b.Get(key)
		if b.open.Load() == nil {
			return false, ErrClosed
		}
		if !ok {
			return false, nil
		}
		if c, err := b.under(key, value, ifEqual, old, &entry); c == codeOK || err != nil {
			return c == codeOK, err
		}
	}
}

// CompareAndSwap writes a value if what is there is old, byte for byte, and says whether it did. Atomic.
func (b *Bytes) CompareAndSwap(key string, old, value []byte, entry Entry) (bool, error) {
	if b.absent(old) {
		return false, nil
	}
	c, err := b.under(key, value, ifEqual, old, &entry)
	return c == codeOK, err
}

// Delete removes an entry, and says whether it was there.
func (b *Bytes) Delete(key string) bool {
	if b.mark != nil {
		_, ok := b.Take(key)
		return ok
	}
	e := b.open.Load()
	return e != nil && e.remove(key) == codeOK
}

// Take removes an entry and returns its value. Atomic.
func (b *Bytes) Take(key string) (value []byte, ok bool) {
	e := b.open.Load()
	if e == nil {
		return nil, false
	}
	value, c := e.take(key, []byte{})
	if c != codeOK || b.absent(value) {
		return nil, false
	}
	return value, true
}

// Touch is a use of an entry, and restarts its idle time; it says whether there is one.
func (b *Bytes) Touch(key string) bool {
	e := b.open.Load()
	return e != nil && !(b.mark != nil && !b.Contains(key)) && e.touch(key) == codeOK
}

// Expire gives an entry another time to live, from now, and says whether there is one. It must be above 0, or [Forever].
func (b *Bytes) Expire(key string, ttl time.Duration) (bool, error) {
	if ttl <= 0 {
		return false, invalid("Expire: a time to live of %v: must be above 0; call Delete for what should not be there", ttl)
	}
	e := b.open.Load()
	if e == nil {
		return false, ErrClosed
	}
	if b.mark != nil && !b.Contains(key) {
		return false, nil
	}
	return e.expireAfter(key, roundUp(ttl)) == codeOK, nil
}

// Add adds delta to a counter and returns what it is then. A counter is a value of eight bytes, the least significant first,
// two's complement. Where nothing is there one is made that is delta. An entry keeps its lifetime; entry is for one that is made.
// Atomic. The errors are [ErrNotCounter], [ErrOverflow] and those of [Bytes.Set].
func (b *Bytes) Add(key string, delta int64, entry Entry) (int64, error) {
	w, err := entry.write()
	if err != nil {
		return 0, err
	}
	for {
		e := b.open.Load()
		if e == nil {
			return 0, ErrClosed
		}
		now, c := e.counterAdd(key, delta, delta, w)
		if c == codeNotCounter && b.mark != nil {
			made, err := b.under(key, counter(delta), ifEqual, b.mark, &entry)
			if err != nil {
				return 0, err
			} else if made == codeOK {
				return delta, nil
			} else if b.isNoCounter(key) {
				return 0, ErrNotCounter
			}
			continue
		}
		return now, c.err()
	}
}

// isNoCounter says that a value is there which is none.
func (b *Bytes) isNoCounter(key string) (is bool) {
	b.View(key, func(value []byte) { is = len(value) != 8 })
	return is
}

func counter(n int64) []byte {
	value := make([]byte, 8)
	for i := range value {
		value[i] = byte(uint64(n) >> (8 * i))
	}
	return value
}

// Clear removes every entry: O(entries).
func (b *Bytes) Clear() {
	if e := b.open.Load(); e != nil {
		e.clear()
	}
}

// InvalidateAll outdates every entry at once, and what is being loaded; memory goes with the writes that follow. O(shards).
func (b *Bytes) InvalidateAll() {
	if e := b.open.Load(); e != nil {
		e.invalidateAll()
	}
}

// InvalidateTag outdates every entry that has this tag, as InvalidateAll does all.
func (b *Bytes) InvalidateTag(tag string) {
	if e := b.open.Load(); e != nil {
		e.invalidateTag(tag)
	}
}

// Len is how many entries there are, with expired ones that were not noticed yet.
func (b *Bytes) Len() int {
	if e := b.open.Load(); e != nil {
		return int(e.count())
	}
	return 0
}

// Stats is what the cache has done, and what it holds; zero when it is closed.
func (b *Bytes) Stats() Stats {
	if e := b.open.Load(); e != nil {
		s := e.stats()
		s.Waiting += uint64(b.waiting.Load())
		return s
	}
	return Stats{}
}

// SetCapacity sets the capacity, in its unit, and evicts what is above it before it returns. One below 1, or of bytes below 1024, is
// [ErrInvalid], and changes nothing.
func (b *Bytes) SetCapacity(capacity int64) error {
	if capacity < 1 {
		return invalid("SetCapacity(%d): at least 1", capacity)
	}
	e := b.open.Load()
	if e == nil {
		return ErrClosed
	}
	c := e.setCapacity(uint64(capacity))
	if c == codeArgument {
		return invalid("SetCapacity(%d): at least %d, as the capacity is bytes", capacity, leastBytes)
	}
	return c.err()
}

// Shrink evicts entries until what is left weighs no more than weight, in the unit of the capacity, for a moment when memory is short;
// the capacity stays. It returns how many it evicted.
func (b *Bytes) Shrink(weight int64) (evicted int) {
	if e := b.open.Load(); e != nil {
		return int(e.shrink(uint64(max(weight, 0))))
	}
	return 0
}

// Maintain does upkeep that writes do little by little, at most budget steps: takes out what has expired or was invalidated. It
// says whether some is left. For idle moments, and for caches that are written seldom.
func (b *Bytes) Maintain(budget int) (more bool) {
	e := b.open.Load()
	return e != nil && e.maintain(budget) == codeMore
}

// Close lets go of all entries. Calls that are under way end as they would; later ones find nothing, and writes return
// [ErrClosed]. What remains of the native memory is freed when the collector next finds it unused. Notices of what left before still
// come; of what was in the cache none. A second Close does nothing. It never fails.
func (b *Bytes) Close() error {
	e := b.open.Swap(nil)
	if e == nil {
		return nil
	}
	if b.notices != nil {
		b.notices.close(e)
	}
	b.lent.close(e)
	e.discard()
	return nil
}
