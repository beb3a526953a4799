package expvar_test

import (
	"encoding/json"
	"errors"
	standard "expvar"
	"fmt"
	"net/http/httptest"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"pinyon"
	"pinyon/expvar"
)

func Example() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100))
	defer cache.Close()
	if err := expvar.Publish("users", cache); err != nil {
		panic(err)
	}

	cache.Set("ada", []byte("..."))
	cache.Get("ada")
	cache.Get("bob")

	var shown struct {
		Hits, Misses, Entries uint64
		HitRatio              float64 `json:"hit_ratio"`
	}
	json.Unmarshal([]byte(standard.Get("users").String()), &shown)
	fmt.Println(shown.Hits, shown.Misses, shown.Entries, shown.HitRatio)
	// Output: 1 1 1 0.5
}

// numbered has statistics of which no two fields are the same.
type numbered struct{}

func (numbered) Stats() (s pinyon.Stats) {
	fields := reflect.ValueOf(&s).Elem()
	for i := range fields.NumField() {
		if field := fields.Field(i); field.CanUint() {
			field.SetUint(uint64(i + 1))
		} else {
			field.SetInt(int64(i + 1))
		}
	}
	return s
}

func TestEveryFieldIsShown(t *testing.T) {
	shown := map[string]float64{}
	if err := json.Unmarshal([]byte(expvar.Var{Cache: numbered{}}.String()), &shown); err != nil {
		t.Fatal(err)
	}
	seen := map[float64]string{}
	for name, value := range shown {
		if other, twice := seen[value]; twice {
			t.Errorf("%s and %s are both %v", name, other, value)
		}
		seen[value] = name
	}
	fields := reflect.TypeFor[pinyon.Stats]().NumField()
	if len(shown) != fields+1 { // and hit_ratio
		t.Errorf("%d of %d fields: %v", len(shown)-1, fields, shown)
	}
	if s := (numbered{}).Stats(); shown["overhead_bytes"] != float64(s.OverheadBytes) || shown["load_nanoseconds"] != float64(s.LoadTime) ||
		shown["hit_ratio"] != s.HitRatio() {
		t.Error(shown)
	}
}

func TestTypedCache(t *testing.T) {
	cache, err := pinyon.New[int, string](pinyon.WithCapacityBytes(1 << 20))
	if err != nil {
		t.Fatal(err)
	}
	if err := expvar.Publish("typed", cache); err != nil {
		t.Fatal(err)
	}
	page := httptest.NewRecorder()
	standard.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/debug/vars", nil))
	var all struct{ Typed map[string]float64 }
	if err := json.Unmarshal(page.Body.Bytes(), &all); err != nil || all.Typed["capacity"] != 1<<20 {
		t.Error(all, err)
	}
	cache.Close()
	if shown := standard.Get("typed").String(); json.Unmarshal([]byte(shown), &all.Typed) != nil || all.Typed["capacity"] != 0 {
		t.Error("of a closed cache:", shown)
	}
}

func TestTaken(t *testing.T) {
	standard.NewInt("a number").Set(7)
	for _, name := range []string{"a number", "cmdline"} {
		before := standard.Get(name).String()
		if err := expvar.Publish(name, numbered{}); !errors.Is(err, expvar.ErrTaken) {
			t.Errorf("%s: %v", name, err)
		}
		if standard.Get(name).String() != before {
			t.Errorf("%s was changed", name)
		}
	}
	if err := expvar.Publish("nothing", nil); err == nil || standard.Get("nothing") != nil {
		t.Error("no cache was published")
	}
}

func TestOneOfManyGetsTheName(t *testing.T) {
	var published atomic.Int32
	var group sync.WaitGroup
	for range 20 {
		group.Add(1)
		go func() {
			defer group.Done()
			err := expvar.Publish("wanted", numbered{})
			if err == nil {
				published.Add(1)
			} else if !errors.Is(err, expvar.ErrTaken) {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	if published.Load() != 1 {
		t.Error(published.Load(), "got the name")
	}
}
