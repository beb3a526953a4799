//go:build cgo && !pinyon_purego && !pinyon_dynamic

package benches

/*
#cgo CFLAGS: -O2 -I${SRCDIR}/..
#cgo linux,amd64 LDFLAGS: ${SRCDIR}/../libpinyon_linux_amd64.a -lm -ldl -lpthread
#cgo linux,arm64 LDFLAGS: ${SRCDIR}/../libpinyon_linux_arm64.a -lm -ldl -lpthread

#include <string.h>
#include "pinyon.h"

static int32_t benches_empty(const char *key, size_t key_size, char *buffer, size_t capacity) { return 0; }

// count reads by copy, of keys that lie one after another, each of key_size bytes. Returns how many were found.
static uint64_t benches_get_copies(pinyon_cache *cache, const char *keys, size_t key_size, size_t keys_count, uint64_t count) {
    char buffer[64];
    uint64_t found = 0;
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t size;
        found += pinyon_get_copy(cache, keys + at * key_size, key_size, buffer, sizeof buffer, &size) == PINYON_OK;
        if (++at == keys_count) at = 0;
    }
    return found;
}

// The same by a handle, as GetInto reads.
static uint64_t benches_get_handles(pinyon_cache *cache, const char *keys, size_t key_size, size_t keys_count, uint64_t count) {
    char buffer[64];
    uint64_t found = 0;
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        pinyon_handle *handle;
        const void *data;
        size_t size;
        if (pinyon_get(cache, keys + at * key_size, key_size, &handle, &data, &size) == PINYON_OK) {
            if (size <= sizeof buffer) memcpy(buffer, data, size), found++;
            pinyon_release(handle);
        }
        if (++at == keys_count) at = 0;
    }
    return found;
}

// The same by pinyon_get_many, 64 at a time.
static uint64_t benches_get_many(pinyon_cache *cache, const char *keys, size_t key_size, size_t keys_count, uint64_t count) {
    pinyon_bytes some[64];
    pinyon_found values[64];
    char buffer[64 * 64];
    uint64_t found = 0;
    size_t at = 0;
    for (uint64_t i = 0; i < count; i += 64) {
        for (size_t j = 0; j < 64; j++) {
            some[j].data = keys + at * key_size;
            some[j].size = key_size;
            if (++at == keys_count) at = 0;
        }
        pinyon_get_many(cache, some, 64, values);
        for (size_t j = 0; j < 64; j++)
            if (values[j].code == PINYON_OK) {
                memcpy(buffer + 64 * j, values[j].value.data, 64);
                pinyon_release(values[j].handle);
                found++;
            }
    }
    return found;
}

#cgo noescape benches_empty
#cgo nocallback benches_empty
static int64_t benches_get_copy(pinyon_cache *cache, const char *key, size_t key_size, char *buffer, size_t capacity) {
    size_t size = 0;
    int32_t code = pinyon_get_copy(cache, key, key_size, buffer, capacity, &size);
    return code == PINYON_OK ? (int64_t)size : -1;
}

#cgo noescape benches_get_copy
#cgo nocallback benches_get_copy
#cgo noescape benches_get_copies
#cgo nocallback benches_get_copies
*/
import "C"

import (
	"unsafe"

	"pinyon"
)

// EmptyCall calls a function of C that does nothing, with the arguments of a read.
func EmptyCall(key string, dst []byte) int {
	return int(C.benches_empty((*C.char)(unsafe.Pointer(unsafe.StringData(key))), C.size_t(len(key)),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(dst))), C.size_t(cap(dst))))
}

// NativeGets reads count values in one call of C, each by copy into the same 64 bytes. keys is keys of KeySize bytes, one after another.
func NativeGets(cache *pinyon.Bytes, keys []byte, count int) (found int) {
	check(cache.Shared(func(native unsafe.Pointer) {
		found = int(C.benches_get_copies((*C.pinyon_cache)(native), (*C.char)(unsafe.Pointer(&keys[0])), KeySize, C.size_t(len(keys)/KeySize),
			C.uint64_t(count)))
	}))
	return found
}

// NativeGetHandles is NativeGets by pinyon_get, a copy and pinyon_release.
func NativeGetHandles(cache *pinyon.Bytes, keys []byte, count int) (found int) {
	check(cache.Shared(func(native unsafe.Pointer) {
		found = int(C.benches_get_handles((*C.pinyon_cache)(native), (*C.char)(unsafe.Pointer(&keys[0])), KeySize, C.size_t(len(keys)/KeySize),
			C.uint64_t(count)))
	}))
	return found
}

// GetCopy is one pinyon_get_copy by one call of C, with nothing around: the least that a read from Go can be.
func GetCopy(cache unsafe.Pointer, key string, dst []byte) bool {
	return C.benches_get_copy((*C.pinyon_cache)(cache), (*C.char)(unsafe.Pointer(unsafe.StringData(key))), C.size_t(len(key)),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(dst))), C.size_t(cap(dst))) >= 0
}

// NativeGetMany reads count values in one call of C, 64 at a time.
func NativeGetMany(cache *pinyon.Bytes, keys []byte, count int) (found int) {
	check(cache.Shared(func(native unsafe.Pointer) {
		found = int(C.benches_get_many((*C.pinyon_cache)(native), (*C.char)(unsafe.Pointer(&keys[0])), KeySize, C.size_t(len(keys)/KeySize),
			C.uint64_t(count)))
	}))
	return found
}
