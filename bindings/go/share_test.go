//go:build cgo && !pinyon_purego

package pinyon

import (
	"context"
	"errors"
	"testing"
	"time"
	"unsafe"
)

func TestSharedCaches(t *testing.T) {
	b := made(t)
	var other *Bytes
	if err := b.Shared(func(cache unsafe.Pointer) {
		var err error
		if other, err = Attach(cache); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	set(t, b, "k", "v")
	wants(t, other, "k", "v")

	// The two know nothing of each other's flights, as programs in two languages do not: the lease of the cache is what one load is by.
	started := make(chan bool)
	go other.GetOrLoad(context.Background(), "slow", func(context.Context) ([]byte, error) {
		close(started)
		time.Sleep(20 * time.Millisecond)
		return []byte("loaded"), nil
	})
	<-started
	brought(t, b, "slow", "loaded", never(t))

	// One that fails there is loaded here.
	started = make(chan bool)
	go other.GetOrLoad(context.Background(), "fails", func(context.Context) ([]byte, error) {
		close(started)
		time.Sleep(20 * time.Millisecond)
		return nil, errors.New("boom")
	})
	<-started
	brought(t, b, "fails", "loaded", brings("loaded"))

	// Who waits for a load elsewhere may give up.
	started, finish := make(chan bool), make(chan bool)
	go other.GetOrLoad(context.Background(), "long", func(context.Context) ([]byte, error) {
		close(started)
		<-finish
		return nil, nil
	})
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := b.GetOrLoad(ctx, "long", never(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(finish)

	other.Close()
	wants(t, b, "k", "v")
	if _, err := Attach(nil); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	b.Close()
	if err := b.Shared(nil); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
