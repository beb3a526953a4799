package prometheus_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"pinyon"
	"pinyon/prometheus"
)

func Example() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100))
	defer cache.Close()

	metrics := prometheus.NewCollector()
	metrics.Add("users", cache)
	registry := client.NewRegistry()
	registry.MustRegister(metrics)

	cache.Set("ada", []byte("..."))
	cache.Get("ada")

	families, _ := registry.Gather()
	for _, family := range families {
		if family.GetName() == "pinyon_hits_total" {
			metric := family.GetMetric()[0]
			fmt.Println(metric.GetLabel()[0].GetName(), metric.GetLabel()[0].GetValue(), metric.GetCounter().GetValue())
		}
	}
	// Output: cache users 1
}

// numbered has statistics of which no two fields are the same, and counts how often it is asked.
type numbered struct{ asked atomic.Int32 }

func (n *numbered) Stats() (s pinyon.Stats) {
	n.asked.Add(1)
	fields := reflect.ValueOf(&s).Elem()
	for i := range fields.NumField() {
		if field := fields.Field(i); field.CanUint() {
			field.SetUint(uint64(i + 1))
		} else {
			field.SetInt(int64(i+1) * 1e9)
		}
	}
	return s
}

func registered(t *testing.T, c *prometheus.Collector) *client.Registry {
	registry := client.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	return registry
}

func TestEveryFieldIsShownByOneCall(t *testing.T) {
	c, cache := prometheus.NewCollector(), new(numbered)
	if err := c.Add("n", cache); err != nil {
		t.Fatal(err)
	}
	families, err := registered(t, c).Gather()
	if err != nil {
		t.Fatal(err)
	}
	if asked := cache.asked.Load(); asked != 1 {
		t.Errorf("Stats was called %d times", asked)
	}
	fields := reflect.TypeFor[pinyon.Stats]().NumField()
	if len(families) != fields {
		t.Errorf("%d metrics of %d fields", len(families), fields)
	}
	seen := map[float64]string{}
	for _, family := range families {
		m := family.GetMetric()[0]
		value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
		if isCounter := m.GetCounter() != nil; isCounter != strings.HasSuffix(family.GetName(), "_total") {
			t.Errorf("%s: a counter, %v", family.GetName(), isCounter)
		}
		if other, twice := seen[value]; twice || value < 1 || value > float64(fields) {
			t.Errorf("%s is %v, as %s", family.GetName(), value, other)
		}
		seen[value] = family.GetName()
	}
}

func TestLint(t *testing.T) {
	c := prometheus.NewCollector()
	c.Add("n", new(numbered))
	problems, err := testutil.GatherAndLint(registered(t, c))
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestManyCaches(t *testing.T) {
	bytes, err := pinyon.NewBytes(pinyon.WithCapacity(100))
	if err != nil {
		t.Fatal(err)
	}
	defer bytes.Close()
	typed, err := pinyon.New[int, string](pinyon.WithCapacity(200))
	if err != nil {
		t.Fatal(err)
	}
	defer typed.Close()
	c := prometheus.NewCollector()
	if err := errors.Join(c.Add("bytes", bytes), c.Add("typed", typed)); err != nil {
		t.Fatal(err)
	}
	registry := registered(t, c)
	bytes.Set("k", nil)
	bytes.Get("k")
	bytes.Get("no")
	typed.Get(1)
	const want = `
# HELP pinyon_capacity Capacity, in its unit: entries, bytes or weight.
# TYPE pinyon_capacity gauge
pinyon_capacity{cache="bytes"} 100
pinyon_capacity{cache="typed"} 200
# HELP pinyon_entries Entries in the cache.
# TYPE pinyon_entries gauge
pinyon_entries{cache="bytes"} 1
pinyon_entries{cache="typed"} 0
# HELP pinyon_hits_total Reads that found a value.
# TYPE pinyon_hits_total counter
pinyon_hits_total{cache="bytes"} 1
pinyon_hits_total{cache="typed"} 0
# HELP pinyon_misses_total Reads that found none.
# TYPE pinyon_misses_total counter
pinyon_misses_total{cache="bytes"} 1
pinyon_misses_total{cache="typed"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"pinyon_capacity", "pinyon_entries", "pinyon_hits_total", "pinyon_misses_total"); err != nil {
		t.Error(err)
	}

	if !c.Remove("typed") || c.Remove("typed") {
		t.Error("Remove does not say what it did")
	}
	if n := testutil.CollectAndCount(c, "pinyon_hits_total"); n != 1 {
		t.Error(n, "caches after one was removed")
	}
}

func TestErrors(t *testing.T) {
	c := prometheus.NewCollector()
	if err := c.Add("n", nil); err == nil {
		t.Error("no cache was added")
	}
	c.Add("n", new(numbered))
	if err := c.Add("n", new(numbered)); !errors.Is(err, prometheus.ErrTaken) {
		t.Error(err)
	}
}

func TestAtOnce(t *testing.T) {
	c := prometheus.NewCollector()
	registry := registered(t, c)
	var group sync.WaitGroup
	for i := range 4 {
		group.Add(2)
		go func() {
			defer group.Done()
			name := fmt.Sprint(i)
			for range 100 {
				if err := c.Add(name, new(numbered)); err != nil {
					t.Error(err)
				}
				c.Remove(name)
			}
		}()
		go func() {
			defer group.Done()
			for range 20 {
				if _, err := registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
}

func TestANameThatNoScrapeCouldShowIsRefused(t *testing.T) {
	c := prometheus.NewCollector()
	if err := c.Add("users\xff", new(numbered)); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Error(err)
	}
	if families, err := registered(t, c).Gather(); err != nil || len(families) != 0 {
		t.Error(families, err)
	}
}
