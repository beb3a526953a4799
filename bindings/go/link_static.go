//go:build cgo && !pinyon_purego && !pinyon_dynamic

package pinyon

// The library is where `make go-lib` puts it.

/*
#cgo linux,amd64 LDFLAGS: ${SRCDIR}/libpinyon_linux_amd64.a -lm -ldl -lpthread
#cgo linux,arm64 LDFLAGS: ${SRCDIR}/libpinyon_linux_arm64.a -lm -ldl -lpthread
#cgo darwin,amd64 LDFLAGS: ${SRCDIR}/libpinyon_darwin_amd64.a
#cgo darwin,arm64 LDFLAGS: ${SRCDIR}/libpinyon_darwin_arm64.a
*/
import "C"

// Native says that entries are held by the native library, outside of Go's heap.
const Native = true
