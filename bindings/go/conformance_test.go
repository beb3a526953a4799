package pinyon

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The steps that every binding runs alike: what they mean is in the README beside them. They are run on the engine, whose
// codes they speak of, and so hold both engines to the same answers.
const steps = "../../tests/conformance"

var codeNames = map[code]string{codeOK: "OK", codeMiss: "MISS", codeNotStored: "NOT_STORED", codeTooHeavy: "TOO_HEAVY", codeLead: "LEAD",
	codeWait: "WAIT", codeStale: "STALE", codeTimedOut: "TIMED_OUT", codeOvertaken: "OVERTAKEN", codeLapsed: "LAPSED", codeOwnKey: "OWN_KEY",
	codeEnd: "END", codeMore: "MORE", codeArgument: "ERR_ARGUMENT", codeMemory: "ERR_MEMORY", codeNotCounter: "ERR_NOT_A_COUNTER",
	codeOverflow: "ERR_OVERFLOW", codeTooSmall: "TOO_SMALL"}

func TestConformance(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(steps, "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the steps are not here: this is no checkout of the whole repository")
	}
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var script struct {
			Name, About string
			Cache       map[string]any
			Steps       []map[string]any
		}
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.UseNumber()
		if err := decoder.Decode(&script); err != nil {
			t.Fatal(file, err)
		}
		t.Run(script.Name, func(t *testing.T) {
			r := conforming(t, script.Cache)
			for i, step := range script.Steps {
				r.where = fmt.Sprintf("%s, step %d: %v", filepath.Base(file), i+1, step)
				r.run(step)
				ran++
			}
		})
	}
	t.Logf("%d steps", ran)
}

type runner struct {
	*testing.T
	engine *engine
	clock  *ManualClock
	names  map[string]uint64 // tokens and tickets
	where  string
	step   map[string]any
}

func (r *runner) fail(format string, values ...any) {
	r.Helper()
	r.Fatalf("%s\n%s", r.where, fmt.Sprintf(format, values...))
}

func conforming(t *testing.T, cache map[string]any) *runner {
	r := &runner{T: t, clock: NewManualClock(), names: map[string]uint64{}, where: fmt.Sprint(cache), step: cache}
	s := settings{clock: r.clock}
	s.capacity = r.number("capacity", 0)
	s.shards = uint32(r.number("shards", 0))
	s.ttl, s.idle, s.refreshAfter = r.number("ttl_ms", 0), r.number("idle_ms", 0), r.number("refresh_after_ms", 0)
	s.queue = int(r.number("removal_queue", 0))
	s.trackAge = r.taken("track_age") == true
	switch unit := r.taken("unit"); unit {
	case nil, "entries":
	case "bytes":
		s.unit = unitBytes
	case "weight":
		s.unit = unitWeight
	default:
		r.fail("unit %v", unit)
	}
	switch policy := r.taken("policy"); policy {
	case nil, "clock_tinylfu":
	case "clock":
		s.policy = Clock
	default:
		r.fail("policy %v", policy)
	}
	r.nothingLeft()
	var err error
	if r.engine, err = newEngine(&s); err != nil {
		t.Fatal(err)
	}
	return r
}

// taken is a field of the step, which counts as understood.
func (r *runner) taken(field string) any {
	value := r.step[field]
	delete(r.step, field)
	return value
}

func (r *runner) nothingLeft() {
	for field := range r.step {
		r.fail("the field %q is not known", field)
	}
}

func (r *runner) number(field string, missing uint64) uint64 {
	value := r.taken(field)
	if value == nil {
		return missing
	}
	return r.asNumber(value)
}

func (r *runner) asNumber(value any) uint64 {
	text := fmt.Sprint(value)
	if text == "never" {
		return forever
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.fail("%v is no number", value)
	}
	return uint64(n)
}

func (r *runner) asBytes(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case map[string]any:
		if text, ok := value["hex"].(string); ok && len(value) == 1 {
			data, err := hex.DecodeString(text)
			if err != nil {
				r.fail("%v", err)
			}
			return string(data)
		}
		if text, ok := value["repeat"].(string); ok && len(value) == 2 {
			return strings.Repeat(text, int(r.asNumber(value["times"])))
		}
	}
	r.fail("%v are no bytes", value)
	return ""
}

func (r *runner) bytes(field string) string {
	value := r.taken(field)
	if value == nil {
		r.fail("there is no %s", field)
	}
	return r.asBytes(value)
}

func (r *runner) list(field string) []any {
	list, ok := r.taken(field).([]any)
	if !ok {
		r.fail("%s is no list", field)
	}
	return list
}

func (r *runner) options() *write {
	options, ok := r.taken("options").(map[string]any)
	if !ok {
		return nil
	}
	outer := r.step
	r.step = options
	w := &write{ttl: r.number("ttl_ms", 0), idle: r.number("idle_ms", 0), weight: r.number("weight", 0), weightless: r.taken("weightless") == true}
	if tags, ok := r.taken("tags").([]any); ok {
		for _, tag := range tags {
			w.tags = append(w.tags, r.asBytes(tag))
		}
	}
	r.nothingLeft()
	r.step = outer
	return w
}

func (r *runner) under(when condition) code {
	w := r.options()
	if w == nil {
		w = new(write)
	}
	w.condition = when
	if when == ifEqual {
		w.expected = []byte(r.bytes("expected"))
	}
	return r.engine.set(r.bytes("key"), []byte(r.bytes("value")), w)
}

func (r *runner) with() uint64 {
	name, _ := r.taken("with").(string)
	n, ok := r.names[name]
	if !ok {
		r.fail("nothing is named %q", name)
	}
	return n
}

// found are the names of what acquire and wait gave.
func (r *runner) found(a acquired, c code) {
	for field, got := range map[string]uint64{"token": a.token, "ticket": a.ticket} {
		name, ok := r.taken(field).(string)
		if ok != (got != 0) {
			r.fail("%s is %d", field, got)
		}
		if ok {
			r.names[name] = got
		}
	}
	r.returns(c)
	if c == codeOK || c == codeStale {
		r.givesBytes(a.value)
	}
}

func (r *runner) returns(c code) {
	r.Helper()
	want, ok := r.taken("returns").(string)
	if !ok {
		want = "OK"
	}
	if codeNames[c] != want {
		r.fail("returns %s (%d), not %s", codeNames[c], c, want)
	}
}

func (r *runner) givesBytes(got []byte) {
	r.Helper()
	want, ok := r.step["gives"]
	if !ok {
		return
	}
	delete(r.step, "gives")
	if want := r.asBytes(want); want != string(got) {
		r.fail("gives %q, not %q", got, want)
	}
}

func (r *runner) value(got []byte, c code) {
	r.Helper()
	r.returns(c)
	if c == codeOK {
		r.givesBytes(got)
	}
}

func (r *runner) givesNumber(got uint64) {
	r.Helper()
	if want := r.taken("gives"); want != nil && r.asNumber(want) != got {
		r.fail("gives %d, not %v", got, want)
	}
}

func (r *runner) givesFields(got map[string]uint64) {
	r.Helper()
	want, _ := r.taken("gives").(map[string]any)
	for field, want := range want {
		value, known := got[field]
		if !known {
			r.fail("the field %q is not known", field)
		}
		if bounds, ok := want.(map[string]any); ok {
			for name, bound := range bounds {
				if n := r.asNumber(bound); name != "least" && name != "most" || name == "least" && value < n || name == "most" && value > n {
					r.fail("%s is %d, not at %s %v", field, value, name, bound)
				}
			}
		} else if r.asNumber(want) != value {
			r.fail("%s is %d, not %v", field, value, want)
		}
	}
}

func (r *runner) givesCodes(codes []code) {
	r.Helper()
	names := make([]any, len(codes))
	for i, c := range codes {
		names[i] = codeNames[c]
	}
	if want := r.taken("gives"); want != nil && fmt.Sprint(want) != fmt.Sprint(names) {
		r.fail("gives %v, not %v", names, want)
	}
}

func (r *runner) run(step map[string]any) {
	r.step = step
	e := r.engine
	op, _ := r.taken("op").(string)
	switch op {
	case "":
		r.clock.Advance(time.Duration(r.number("advance_ms", 0))*time.Millisecond + time.Duration(r.number("advance_ns", 0)))
		time.Sleep(time.Duration(r.number("sleep_ms", 0)) * time.Millisecond)
	case "set", "set_in_place", "adopt":
		r.returns(r.under(always))
	case "add", "add_adopted":
		r.returns(r.under(ifAbsent))
	case "replace", "replace_adopted":
		r.returns(r.under(ifPresent))
	case "compare_and_swap", "compare_and_swap_adopted":
		r.returns(r.under(ifEqual))
	case "counter_add":
		now, c := e.counterAdd(r.bytes("key"), int64(r.number("delta", 0)), int64(r.number("initial", 0)), r.options())
		r.returns(c)
		if c == codeOK {
			r.givesNumber(uint64(now))
		}
	case "get":
		r.value(e.get(r.bytes("key"), nil))
	case "visit":
		var seen []byte
		c := e.view(r.bytes("key"), func(value []byte) { seen = append([]byte{}, value...) })
		r.value(seen, c)
	case "get_copy":
		room := r.number("capacity", 0)
		value, c := e.get(r.bytes("key"), nil)
		if size := r.taken("size"); size != nil && c == codeOK && r.asNumber(size) != uint64(len(value)) {
			r.fail("the size is %d", len(value))
		}
		if c == codeOK && uint64(len(value)) > room {
			c = codeTooSmall
		}
		r.value(value, c)
	case "get_into":
		r.value(e.get(r.bytes("key"), make([]byte, 0, r.number("capacity", 0))))
	case "take":
		r.value(e.take(r.bytes("key"), nil))
	case "contains":
		r.returns(e.contains(r.bytes("key")))
	case "remove":
		r.returns(e.remove(r.bytes("key")))
	case "touch":
		r.returns(e.touch(r.bytes("key")))
	case "expire_after":
		r.returns(e.expireAfter(r.bytes("key"), r.number("ttl_ms", 0)))
	case "metadata":
		m, c := e.metadata(r.bytes("key"))
		r.returns(c)
		if c == codeOK {
			r.givesFields(map[string]uint64{"age_ms": m.age, "remaining_ms": m.remaining, "idle_ms": m.idle, "weight": m.weight})
		}
	case "count":
		r.givesNumber(e.count())
	case "stats":
		s := e.stats()
		r.givesFields(map[string]uint64{"hits": s.Hits, "misses": s.Misses, "added": s.Added, "replaced": s.Replaced, "removed": s.Removed,
			"cleared": s.Cleared, "invalidated": s.Invalidated, "refused": s.Refused, "evicted": s.Evicted, "evicted_weight": s.EvictedWeight,
			"expired": s.Expired, "expired_weight": s.ExpiredWeight, "loads": s.Loads, "load_failures": s.LoadFailures,
			"load_nanos": uint64(s.LoadTime), "coalesced": s.Coalesced, "waiting": s.Waiting, "stale_loads": s.StaleLoads,
			"entries": s.Entries, "weight": s.Weight, "capacity": s.Capacity, "retired": s.Retired, "overhead_bytes": s.OverheadBytes,
			"removals_lost": s.NoticesLost})
	case "clear":
		e.clear()
	case "invalidate_all":
		e.invalidateAll()
	case "invalidate_tag":
		e.invalidateTag(r.bytes("tag"))
	case "get_many":
		var keys []string
		for _, key := range r.list("keys") {
			keys = append(keys, r.asBytes(key))
		}
		got := make([]*string, len(keys))
		e.getMany(keys, func(i int, value []byte) { text := string(value); got[i] = &text })
		want := r.list("gives")
		for i, want := range want {
			if want == nil && got[i] != nil || want != nil && (got[i] == nil || *got[i] != r.asBytes(want)) {
				r.fail("%d gives %v, not %v", i, got[i], want)
			}
		}
	case "set_many", "set_many_adopted":
		var pairs []Pair
		for _, pair := range r.list("pairs") {
			pairs = append(pairs, Pair{r.asBytes(pair.([]any)[0]), []byte(r.asBytes(pair.([]any)[1]))})
		}
		codes := make([]code, len(pairs))
		e.setMany(pairs, r.options(), codes)
		r.taken("returns") // the largest of them
		r.givesCodes(codes)
	case "remove_many":
		var keys []string
		for _, key := range r.list("keys") {
			keys = append(keys, r.asBytes(key))
		}
		codes := make([]code, len(keys))
		e.removeMany(keys, codes)
		r.givesCodes(codes)
	case "acquire":
		r.found(e.acquire(r.bytes("key"), r.number("lasting_ms", 0), r.number("refresh_after_ms", 0), nil))
	case "wait":
		if r.number("timeout_ms", 0) != 0 {
			r.fail("an engine does not wait")
		}
		r.found(e.wait(r.with(), nil))
	case "complete", "complete_adopted":
		r.returns(e.complete(r.with(), []byte(r.bytes("value")), r.options()))
	case "abandon":
		r.returns(e.abandon(r.with()))
	case "leave":
		r.returns(e.leave(r.with()))
	case "items":
		limit := max(int(r.number("page", 256)), 16)
		var cursor uint64
		var got []string
		for c := codeOK; c == codeOK; {
			var pairs []Pair
			pairs, c = e.page(&cursor, limit)
			for _, pair := range pairs {
				got = append(got, fmt.Sprintf("%q %q", pair.Key, pair.Value))
			}
		}
		var want []string
		for _, pair := range r.list("gives") {
			want = append(want, fmt.Sprintf("%q %q", r.asBytes(pair.([]any)[0]), r.asBytes(pair.([]any)[1])))
		}
		sort.Strings(got)
		sort.Strings(want)
		if !slices.Equal(got, want) {
			r.fail("gives %v, not %v", got, want)
		}
	case "removals":
		got := map[string][]string{}
		for c := codeOK; c == codeOK; {
			var removals []Removal
			removals, c = e.removals(16)
			for _, left := range removals {
				got[left.Key] = append(got[left.Key], fmt.Sprintf("%q %s", left.Value, strings.ToUpper(left.Cause.String())))
			}
		}
		want := map[string][]string{}
		for _, triple := range r.list("gives") {
			fields := triple.([]any)
			key := r.asBytes(fields[0])
			want[key] = append(want[key], fmt.Sprintf("%q %s", r.asBytes(fields[1]), fields[2]))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			r.fail("gives %v, not %v", got, want)
		}
	case "set_capacity":
		r.returns(e.setCapacity(r.number("capacity", 0)))
	case "shrink":
		r.givesNumber(e.shrink(r.number("weight", 0)))
	case "maintain":
		c := e.maintain(int(r.number("budget", 0)))
		r.returns(c)
	default:
		r.fail("the operation is not known")
	}
	r.nothingLeft()
}
