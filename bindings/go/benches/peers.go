// Package benches measures Pinyon beside other caches for Go: see README.md.
package benches

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/Yiling-J/theine-go"
	"github.com/allegro/bigcache/v3"
	"github.com/coocood/freecache"
	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"pinyon"
)

// KeySize and ValueSize are those of every entry here.
const (
	KeySize   = 32
	ValueSize = 64
)

// AppendKey appends the key of a number.
func AppendKey(dst []byte, i int) []byte { return fmt.Appendf(dst, "user:session:%019d", i) }

// Keys is n keys.
func Keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = string(AppendKey(nil, i))
	}
	return keys
}

// NewValue is a value, in memory of its own.
func NewValue(i int) []byte {
	value := make([]byte, ValueSize)
	for j := range value {
		value[j] = byte(i + j)
	}
	return value
}

// Cache is what all have. Get is the read of each that is nearest to one into dst: caches of Go objects return what they have, without a copy.
type Cache interface {
	Get(key string, dst []byte) ([]byte, bool)
	Set(key string, value []byte)
	// Settle waits until what was set is done.
	Settle()
}

// Peer is a cache, to be made for so many entries. Caches whose capacity is bytes get as many as hold those: PerEntry each.
type Peer struct {
	Name string
	New  func(entries int) Cache
}

// PerEntry is how many bytes of capacity the caches bounded by bytes get for each entry.
const PerEntry = 160

// Peers is Pinyon and the others.
var Peers = []Peer{
	{"Pinyon", func(n int) Cache { return ours{must(pinyon.NewBytes(pinyon.WithCapacity(n)))} }},
	{"otter", func(n int) Cache {
		return inOtter{otter.Must(&otter.Options[string, []byte]{MaximumSize: n})}
	}},
	{"theine", func(n int) Cache { return inTheine{must(theine.NewBuilder[string, []byte](int64(n)).Build())} }},
	{"ristretto", func(n int) Cache {
		return inRistretto{must(ristretto.NewCache(&ristretto.Config[string, []byte]{
			NumCounters: int64(10 * n), MaxCost: int64(n), BufferItems: 64, IgnoreInternalCost: true,
		}))}
	}},
	{"golang-lru", func(n int) Cache { return inLRU{must(lru.New[string, []byte](n))} }},
	{"freecache", func(n int) Cache { return inFreecache{freecache.NewCache(PerEntry * n)} }},
	{"bigcache", func(n int) Cache {
		return inBigcache{must(bigcache.New(context.Background(), bigcache.Config{
			Shards: 256, LifeWindow: time.Hour, MaxEntriesInWindow: n, MaxEntrySize: PerEntry, HardMaxCacheSize: max(1, PerEntry*n>>20),
		}))}
	}},
	{"fastcache", func(n int) Cache { return inFastcache{fastcache.New(PerEntry * n)} }},
}

// PeerOf is the peer of that name.
func PeerOf(name string) Peer {
	for _, peer := range Peers {
		if peer.Name == name {
			return peer
		}
	}
	panic("there is no peer " + name)
}

// bytesOf is the bytes of a string, for caches that take them and do not write to them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

type ours struct{ *pinyon.Bytes }

func (c ours) Get(key string, dst []byte) ([]byte, bool) { return c.GetInto(key, dst) }
func (c ours) Set(key string, value []byte)              { check(c.Bytes.Set(key, value)) }
func (c ours) Settle()                                   {}

type inOtter struct{ *otter.Cache[string, []byte] }

func (c inOtter) Get(key string, _ []byte) ([]byte, bool) { return c.GetIfPresent(key) }
func (c inOtter) Set(key string, value []byte)            { c.Cache.Set(key, value) }
func (c inOtter) Settle()                                 { c.CleanUp() }

type inTheine struct{ *theine.Cache[string, []byte] }

func (c inTheine) Get(key string, _ []byte) ([]byte, bool) { return c.Cache.Get(key) }
func (c inTheine) Set(key string, value []byte)            { c.Cache.Set(key, value, 1) }
func (c inTheine) Settle()                                 { c.Wait() }

type inRistretto struct {
	*ristretto.Cache[string, []byte]
}

func (c inRistretto) Get(key string, _ []byte) ([]byte, bool) { return c.Cache.Get(key) }
func (c inRistretto) Set(key string, value []byte)            { c.Cache.Set(key, value, 1) }
func (c inRistretto) Settle()                                 { c.Wait() }

type inLRU struct{ *lru.Cache[string, []byte] }

func (c inLRU) Get(key string, _ []byte) ([]byte, bool) { return c.Cache.Get(key) }
func (c inLRU) Set(key string, value []byte)            { c.Add(key, value) }
func (c inLRU) Settle()                                 {}

type inFreecache struct{ *freecache.Cache }

func (c inFreecache) Get(key string, dst []byte) ([]byte, bool) {
	// It writes from the start of its buffer, and takes a shorter one for none.
	value, err := c.GetWithBuf(bytesOf(key), dst[:cap(dst)])
	return value, err == nil
}
func (c inFreecache) Set(key string, value []byte) { check(c.Cache.Set(bytesOf(key), value, 0)) }
func (c inFreecache) Settle()                      {}

type inBigcache struct{ *bigcache.BigCache }

func (c inBigcache) Get(key string, _ []byte) ([]byte, bool) {
	value, err := c.BigCache.Get(key)
	return value, err == nil
}
func (c inBigcache) Set(key string, value []byte) { check(c.BigCache.Set(key, value)) }
func (c inBigcache) Settle()                      {}

type inFastcache struct{ *fastcache.Cache }

func (c inFastcache) Get(key string, dst []byte) ([]byte, bool) {
	return c.HasGet(dst, bytesOf(key))
}
func (c inFastcache) Set(key string, value []byte) { c.Cache.Set(bytesOf(key), value) }
func (c inFastcache) Settle()                      {}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
