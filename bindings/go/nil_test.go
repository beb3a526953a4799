package pinyon

import (
	"context"
	"testing"
)

// panics is what a call panics with, in the goroutine of its caller.
func panics(call func()) (what any) {
	defer func() { what = recover() }()
	call()
	return nil
}

func TestG31LoadsWithoutALoaderOrAContextAreNamed(t *testing.T) {
	b := made(t, WithCapacity(100))
	c, err := New[int, string](WithCapacity(100))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var none context.Context
	ctx := t.Context()
	entry := func(context.Context) ([]byte, Entry, error) { t.Error("called"); return nil, Entry{}, nil }
	bulk := func(context.Context, []string) (map[string][]byte, error) { t.Error("called"); return nil, nil }
	typed := func(context.Context) (string, error) { t.Error("called"); return "", nil }
	typedEntry := func(context.Context) (string, Entry, error) { t.Error("called"); return "", Entry{}, nil }
	typedBulk := func(context.Context, []int) (map[int]string, error) { t.Error("called"); return nil, nil }
	refused := func(when string) {
		for _, each := range []struct {
			want string
			call func()
		}{
			{"GetOrLoad: load is nil", func() { b.GetOrLoad(ctx, "k", nil) }},
			{"GetOrLoad: ctx is nil", func() { b.GetOrLoad(none, "k", never(t)) }},
			{"GetOrLoadEntry: load is nil", func() { b.GetOrLoadEntry(ctx, "k", nil) }},
			{"GetOrLoadEntry: ctx is nil", func() { b.GetOrLoadEntry(none, "k", entry) }},
			{"BulkLoad: load is nil", func() { b.BulkLoad(ctx, []string{"k"}, nil) }},
			{"BulkLoad: ctx is nil", func() { b.BulkLoad(none, []string{"k"}, bulk) }},
			{"GetOrLoad: load is nil", func() { c.GetOrLoad(ctx, 1, nil) }},
			{"GetOrLoad: ctx is nil", func() { c.GetOrLoad(none, 1, typed) }},
			{"GetOrLoadEntry: load is nil", func() { c.GetOrLoadEntry(ctx, 1, nil) }},
			{"GetOrLoadEntry: ctx is nil", func() { c.GetOrLoadEntry(none, 1, typedEntry) }},
			{"BulkLoad: load is nil", func() { c.BulkLoad(ctx, []int{1}, nil) }},
			{"BulkLoad: ctx is nil", func() { c.BulkLoad(none, []int{1}, typedBulk) }},
		} {
			if what := panics(each.call); what != "pinyon: "+each.want {
				t.Errorf("%s: it panics with %v, not %q", when, what, each.want)
			}
		}
	}
	refused("a miss")
	if flights(b) != 0 || flights(c.Bytes()) != 0 || b.Stats().Misses != 0 {
		t.Error("something was led, or read")
	}
	// Who comes next leads.
	brought(t, b, "k", "v", brings("v"))
	if value, err := c.GetOrLoad(ctx, 1, func(context.Context) (string, error) { return "v", nil }); err != nil || value != "v" {
		t.Error(value, err)
	}
	refused("a hit")
}
