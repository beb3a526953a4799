package pinyon

import (
	"context"
	"iter"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// Cache is a [Bytes] with keys and values of other types, which a [Codec] makes bytes of. What it says of calls is said there.
//
// A value that its codec cannot read is not found: see [Cache.Lookup], which says why, and [Stats].DecodeErrors.
type Cache[K comparable, V any] struct {
	bytes        *Bytes
	keys         Codec[K]
	values       Codec[V]
	textual      bool // keys are strings, whose bytes need no codec
	decodeErrors atomic.Uint64
}

// New makes a cache. Exactly one capacity must be among the options; see [CodecOf] for the types that need no codec. Errors are
// [ErrInvalid].
func New[K comparable, V any](options ...Option) (*Cache[K, V], error) {
	settings, err := configured(options)
	if err != nil {
		return nil, err
	}
	c := new(Cache[K, V])
	if c.keys, err = chosen[K]("WithKeyCodec", settings.keyCodec); err != nil {
		return nil, err
	}
	if _, byMemory := c.keys.(memory[K]); byMemory && floats(reflect.TypeFor[K]()) {
		return nil, invalid("keys of %v: floating point numbers are no keys, 0 and -0 being equal; give WithKeyCodec", reflect.TypeFor[K]())
	}
	if c.values, err = chosen[V]("WithValueCodec", settings.valueCodec); err != nil {
		return nil, err
	}
	_, c.textual = c.keys.(textual[K])
	c.bytes, err = newBytes(settings)
	return c, err
}

func chosen[T any](option string, given any) (Codec[T], error) {
	if given == nil {
		return CodecOf[T]()
	}
	codec, ok := given.(Codec[T])
	if !ok {
		return nil, invalid("%s: a %T is no Codec[%v]", option, given, reflect.TypeFor[T]())
	}
	return codec, nil
}

// Bytes is the cache of byte strings below, which may be used beside.
func (c *Cache[K, V]) Bytes() *Bytes { return c.bytes }

// key is the bytes of a key, good as long as the room.
func (c *Cache[K, V]) key(r *room, key K) (string, error) {
	if c.textual {
		return *(*string)(unsafe.Pointer(&key)), nil
	}
	var err error
	r.key, err = c.keys.Append(r.key[:0], key)
	return Key(r.key), err
}

func (c *Cache[K, V]) pair(r *room, key K, value V) (k string, err error) {
	if k, err = c.key(r, key); err == nil {
		r.value, err = c.values.Append(r.value[:0], value)
	}
	return k, err
}

func (c *Cache[K, V]) decode(data []byte) (V, error) {
	value, err := c.values.Decode(data)
	if err != nil {
		c.decodeErrors.Add(1)
	}
	return value, err
}

// Get reads a value.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	value, err := c.Lookup(key)
	return value, err == nil
}

// Lookup reads a value; the error is [ErrNotFound], or the codec's.
func (c *Cache[K, V]) Lookup(key K) (value V, err error) {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.key(r, key)
	if err != nil {
		return value, err
	}
	data, ok := c.bytes.GetInto(k, r.value[:0])
	r.value = data
	if !ok {
		return value, ErrNotFound
	}
	return c.decode(data)
}

// Contains says whether there is a value. Touches nothing.
func (c *Cache[K, V]) Contains(key K) bool { return c.with(key, c.bytes.Contains) }

// Delete removes an entry, and says whether it was there.
func (c *Cache[K, V]) Delete(key K) bool { return c.with(key, c.bytes.Delete) }

// Touch is a use of an entry, and restarts its idle time; it says whether there is one.
func (c *Cache[K, V]) Touch(key K) bool { return c.with(key, c.bytes.Touch) }

func (c *Cache[K, V]) with(key K, call func(string) bool) bool {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.key(r, key)
	return err == nil && call(k)
}

// TTL is how long an entry still lives, [Forever] if it has no lifetime. Touches nothing.
func (c *Cache[K, V]) TTL(key K) (ttl time.Duration, ok bool) {
	c.with(key, func(k string) bool { ttl, ok = c.bytes.TTL(k); return ok })
	return ttl, ok
}

// Expire gives an entry another time to live: [Bytes.Expire].
func (c *Cache[K, V]) Expire(key K, ttl time.Duration) (ok bool, err error) {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.key(r, key)
	if err != nil {
		return false, err
	}
	return c.bytes.Expire(k, ttl)
}

// Take removes an entry and returns its value. Atomic.
func (c *Cache[K, V]) Take(key K) (value V, ok bool) {
	c.with(key, func(k string) bool {
		data, there := c.bytes.Take(k)
		if there {
			var err error
			value, err = c.decode(data)
			ok = err == nil
		}
		return ok
	})
	return value, ok
}

// Set writes a value, whatever is there. The errors are those of [Bytes.Set] and of the codecs.
func (c *Cache[K, V]) Set(key K, value V) error { return c.SetEntry(key, value, Entry{}) }

// SetTTL writes a value that lives for ttl: [Bytes.SetTTL].
func (c *Cache[K, V]) SetTTL(key K, value V, ttl time.Duration) error {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.pair(r, key, value)
	if err != nil {
		return err
	}
	return c.bytes.SetTTL(k, r.value, ttl)
}

// SetEntry writes a value with a lifetime, a weight and tags.
func (c *Cache[K, V]) SetEntry(key K, value V, entry Entry) error {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.pair(r, key, value)
	if err != nil {
		return err
	}
	return c.bytes.SetEntry(k, r.value, entry)
}

// SetIfAbsent writes a value if nothing is there, and says whether it did. Atomic.
func (c *Cache[K, V]) SetIfAbsent(key K, value V, entry Entry) (bool, error) {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.pair(r, key, value)
	if err != nil {
		return false, err
	}
	return c.bytes.SetIfAbsent(k, r.value, entry)
}

// Replace writes a value if something is there, and says whether it did. Atomic.
func (c *Cache[K, V]) Replace(key K, value V, entry Entry) (bool, error) {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.pair(r, key, value)
	if err != nil {
		return false, err
	}
	return c.bytes.Replace(k, r.value, entry)
}

// CompareAndSwap writes a value if what is there has the bytes of old, and says whether it did. Atomic.
func (c *Cache[K, V]) CompareAndSwap(key K, old, value V, entry Entry) (bool, error) {
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.pair(r, key, value)
	if err != nil {
		return false, err
	}
	expected, err := c.values.Append(nil, old)
	if err != nil {
		return false, err
	}
	return c.bytes.CompareAndSwap(k, expected, r.value, entry)
}

// texts are the bytes of many keys, in memory of their own.
func (c *Cache[K, V]) texts(keys []K) ([]string, error) {
	texts := make([]string, len(keys))
	var all []byte
	for i, key := range keys {
		if c.textual {
			texts[i] = *(*string)(unsafe.Pointer(&key))
			continue
		}
		from := len(all)
		var err error
		if all, err = c.keys.Append(all, key); err != nil {
			return nil, err
		}
		texts[i] = Key(all[from:len(all):len(all)])
	}
	return texts, nil
}

// MGet is the values of many keys, of those that are there, in one call of C for 64 of them.
func (c *Cache[K, V]) MGet(keys []K) (map[K]V, error) {
	found := make(map[K]V, len(keys))
	texts, err := c.texts(keys)
	if err != nil {
		return found, err
	}
	c.bytes.MView(texts, func(i int, data []byte) {
		value, failed := c.decode(data)
		if failed == nil {
			found[keys[i]] = value
		} else if err == nil {
			err = failed
		}
	})
	return found, err
}

// MSet writes many pairs with the same entry: [Bytes.MSet].
func (c *Cache[K, V]) MSet(values map[K]V, entry Entry) error {
	pairs := make([]Pair, 0, len(values))
	for key, value := range values {
		k, err := c.keys.Append(nil, key)
		if err != nil {
			return err
		}
		data, err := c.values.Append(nil, value)
		if err != nil {
			return err
		}
		pairs = append(pairs, Pair{Key(k), data})
	}
	return c.bytes.MSet(pairs, entry)
}

// MDelete removes many entries, and returns how many there were.
func (c *Cache[K, V]) MDelete(keys []K) (int, error) {
	texts, err := c.texts(keys)
	if err != nil {
		return 0, err
	}
	return c.bytes.MDelete(texts), nil
}

// GetOrLoad reads a value; if there is none, load brings it, and it is stored: [Bytes.GetOrLoad]. Every call has a value of its own,
// made by the codec.
func (c *Cache[K, V]) GetOrLoad(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	demand("GetOrLoad", ctx, load == nil)
	return c.GetOrLoadEntry(ctx, key, func(ctx context.Context) (V, Entry, error) {
		value, err := load(ctx)
		return value, Entry{}, err
	})
}

// GetOrLoadEntry is GetOrLoad with a loader that also says how its value is to be stored.
func (c *Cache[K, V]) GetOrLoadEntry(ctx context.Context, key K, load func(context.Context) (V, Entry, error)) (value V, err error) {
	demand("GetOrLoadEntry", ctx, load == nil)
	r := rooms.Get().(*room)
	defer r.release()
	k, err := c.key(r, key)
	if err != nil {
		return value, err
	}
	data, err := c.bytes.GetOrLoadEntry(ctx, k, func(ctx context.Context) ([]byte, Entry, error) {
		value, entry, err := load(ctx)
		if err != nil {
			return nil, entry, err
		}
		data, err := c.values.Append(nil, value)
		return data, entry, err
	})
	if err != nil {
		return value, err
	}
	return c.decode(data)
}

// BulkLoad reads many values; those that are not there load brings, in one call: [Bytes.BulkLoad].
func (c *Cache[K, V]) BulkLoad(ctx context.Context, keys []K, load func(ctx context.Context, missing []K) (map[K]V, error)) (map[K]V, error) {
	demand("BulkLoad", ctx, load == nil)
	found := make(map[K]V, len(keys))
	texts, err := c.texts(keys)
	if err != nil {
		return found, err
	}
	byText := make(map[string]K, len(keys))
	for i, key := range keys {
		text := strings.Clone(texts[i]) // which may be a Key
		if c.textual {
			key = *(*K)(unsafe.Pointer(&text))
		}
		byText[text] = key
	}
	values, err := c.bytes.BulkLoad(ctx, texts, func(ctx context.Context, missing []string) (map[string][]byte, error) {
		asked := make([]K, len(missing))
		for i, text := range missing {
			asked[i] = byText[text]
		}
		brought, err := load(ctx, asked)
		coded := make(map[string][]byte, len(brought))
		for i, key := range asked {
			if value, ok := brought[key]; ok {
				data, failed := c.values.Append(nil, value)
				if failed != nil {
					return coded, failed
				}
				coded[missing[i]] = data
			}
		}
		return coded, err
	})
	for text, data := range values {
		value, failed := c.decode(data)
		if failed == nil {
			found[byText[text]] = value
		} else if err == nil {
			err = failed
		}
	}
	return found, err
}

// All is every entry that the codecs can read: [Bytes.All].
func (c *Cache[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for text, data := range c.bytes.All() {
			key, err := c.keys.Decode([]byte(text))
			if err != nil {
				c.decodeErrors.Add(1)
				continue
			}
			if value, err := c.decode(data); err == nil && !yield(key, value) {
				return
			}
		}
	}
}

// Keys is every key that its codec can read: [Bytes.All].
func (c *Cache[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for text := range c.bytes.Keys() {
			key, err := c.keys.Decode([]byte(text))
			if err != nil {
				c.decodeErrors.Add(1)
			} else if !yield(key) {
				return
			}
		}
	}
}

// Clear removes every entry: O(entries).
func (c *Cache[K, V]) Clear() { c.bytes.Clear() }

// InvalidateAll outdates every entry at once, and what is being loaded.
func (c *Cache[K, V]) InvalidateAll() { c.bytes.InvalidateAll() }

// InvalidateTag outdates every entry that has this tag.
func (c *Cache[K, V]) InvalidateTag(tag string) { c.bytes.InvalidateTag(tag) }

// Len is how many entries there are, with expired ones that were not noticed yet.
func (c *Cache[K, V]) Len() int { return c.bytes.Len() }

// Stats is what the cache has done, and what it holds.
func (c *Cache[K, V]) Stats() Stats {
	s := c.bytes.Stats()
	s.DecodeErrors = c.decodeErrors.Load()
	return s
}

// SetCapacity sets the capacity, in its unit: [Bytes.SetCapacity].
func (c *Cache[K, V]) SetCapacity(capacity int64) error { return c.bytes.SetCapacity(capacity) }

// Shrink evicts entries until what is left weighs no more than weight: [Bytes.Shrink].
func (c *Cache[K, V]) Shrink(weight int64) (evicted int) { return c.bytes.Shrink(weight) }

// Maintain does upkeep, at most budget steps: [Bytes.Maintain].
func (c *Cache[K, V]) Maintain(budget int) (more bool) { return c.bytes.Maintain(budget) }

// Close lets go of all entries: [Bytes.Close].
func (c *Cache[K, V]) Close() error { return c.bytes.Close() }
