//go:build cgo && !pinyon_purego

package pinyon

// #include "shim.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Shared calls use with the `pinyon_cache *` below, for C, C++ and Rust in the same program to read and write the same entries. It
// is good until use returns; who keeps it must keep b reachable, and open, as long. A cache [WithNegativeTTL] is not shared, which is
// [ErrInvalid]: others would read its marks as values.
func (b *Bytes) Shared(use func(cache unsafe.Pointer)) error {
	e := b.open.Load()
	if e == nil {
		return ErrClosed
	}
	if b.mark != nil {
		return invalid("Shared: a cache WithNegativeTTL is not shared, because others would read as a value what says that there is none")
	}
	defer runtime.KeepAlive(e) // of which a Close meanwhile lets go
	use(unsafe.Pointer(e.cache))
	return nil
}

// Attach makes a Bytes of a `pinyon_cache *` that other code has made, and frees: not before Close and all other calls on the Bytes have
// returned. Loaders that still run then, because nobody waits for them any more or in the background, do not keep it: Close gives their
// loads up, for others to load, and what they bring is not stored. Its settings are that cache's; its Close leaves the entries. Loads are
// coalesced with those of other languages: where another has the lease of a key, calls here ask again every few milliseconds.
func Attach(cache unsafe.Pointer) (*Bytes, error) {
	if cache == nil {
		return nil, invalid("Attach(nil): there is no cache")
	}
	e := engineOf((*C.pinyon_cache)(cache))
	e.attached = true
	var s C.pinyon_stats
	s.struct_size = C.sizeof_pinyon_stats
	if C.pinyon_get_stats(e.native(), &s) != 0 {
		return nil, invalid("Attach(%p): this is no pinyon_cache", cache)
	}
	b := &Bytes{lent: &lent{tokens: make(map[uint64]struct{})}}
	b.open.Store(e)
	return b, nil
}
