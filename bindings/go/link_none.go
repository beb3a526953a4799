//go:build !cgo || pinyon_purego

package pinyon

// Native says that entries are held by the native library, outside of Go's heap.
const Native = false
