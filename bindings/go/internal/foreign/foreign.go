//go:build cgo && !pinyon_purego

// Package foreign does to a cache what only other languages do, for tests.
package foreign

// #cgo CFLAGS: -I${SRCDIR}/../..
// #include "pinyon.h"
//
// static int32_t adopt_nothing(void *cache, const void *key, size_t key_size) {
//     return pinyon_adopt((pinyon_cache *)cache, key, key_size, (void *)1, 0, NULL, NULL, NULL);
// }
import "C"

import "unsafe"

// AdoptNothing writes a value of no bytes where nothing can be, as that of an empty vector of Rust is, and says whether it could.
func AdoptNothing(cache unsafe.Pointer, key string) bool {
	return C.adopt_nothing(cache, unsafe.Pointer(unsafe.StringData(key)), C.size_t(len(key))) == C.PINYON_OK
}
