// Package pinyon is an in-process cache whose entries lie outside of Go's heap: exact keys, lifetimes for each entry, an exact
// bound in bytes, entries or weight, hit ratios above those of LRU and TinyLFU, loads without stampedes or stale fills, and
// nothing for the garbage collector to scan.
//
// [Bytes] is a cache of byte strings, the fast one; [Cache] has keys and values of any type, by a [Codec] each.
//
//	cache, err := pinyon.New[string, User](pinyon.WithCapacityBytes(64<<20), pinyon.WithTTL(time.Hour))
//	user, err := cache.GetOrLoad(ctx, "ada", func(ctx context.Context) (User, error) { return db.User(ctx, "ada") })
//
// # What it costs
//
// A read is a call of C, which costs some 50 to 130 ns whatever it does. A map in Go is faster to read, and so are caches
// that are one; use those where some 100,000 objects are enough, or where objects must not be copied. A collector that
// has no millions of objects to scan, an exact bound of memory, and one call for many keys are what pays here.
//
// # Builds
//
// By default the native library is linked statically, from where `make go-lib` puts it; with the build tag pinyon_dynamic
// it comes from the system, by pkg-config. Without cgo (CGO_ENABLED=0, or the build tag pinyon_purego) entries lie in maps of
// Go, with all that is promised here but the speed, the hit ratio and the load on the collector: see [Native].
//
// # Memory
//
// Memory of the native library is not in GOMEMLIMIT, and does not make the collector run: see [HeapLimit].
//
// # Keys
//
// Keys are strings. Where a key is a []byte, [Key] makes it one without a copy, for the length of a call.
package pinyon
