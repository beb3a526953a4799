//go:build cgo && !pinyon_purego && pinyon_dynamic

package pinyon

/*
#cgo CFLAGS: -DPINYON_DYNAMIC
#cgo pkg-config: pinyon
*/
import "C"

// Native says that entries are held by the native library, outside of Go's heap.
const Native = true
