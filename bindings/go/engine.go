package pinyon

// An engine holds the entries. There are two, of which a build has one: the native library (engine_cgo.go) and a map in Go
// (engine_go.go). Both are `type engine struct` with these methods, and the steps of tests/conformance hold both to the
// same answers. In a comment of each method here is what both promise; times are milliseconds, and forever is none.
//
// Every method may be called from any goroutines at once. None blocks but for short critical sections, none calls back
// but view and each, and none keeps what it is given.
type engineMethods interface {
	// get appends the value to dst. Counts a hit or a miss, is a use.
	get(key string, dst []byte) ([]byte, code)
	// view calls look with the value in place, which is good until it returns; it may panic, and may call the engine.
	view(key string, look func(value []byte)) code
	// getMany calls each for every key that is there, as view does look, in the order of the keys.
	getMany(keys []string, each func(i int, value []byte))
	// getManyInto puts the values, one behind the other, behind the end of buffer, or of a larger one, and slices of it into values, for
	// every key that is there. Returns the buffer.
	getManyInto(keys []string, values [][]byte, buffer []byte) []byte
	contains(key string) code
	metadata(key string) (metadata, code)

	// set stores a copy; w may be nil. codeOK, codeTooHeavy, codeMemory; under a condition codeMiss, codeNotStored.
	set(key string, value []byte, w *write) code
	// setMany writes each pair as set does, and fills codes, which has as many places.
	setMany(pairs []Pair, w *write, codes []code)
	// counterAdd adds to eight bytes, the least significant first; where nothing is there it makes a counter of initial.
	counterAdd(key string, delta, initial int64, w *write) (int64, code)
	remove(key string) code
	removeMany(keys []string, codes []code)
	// take removes an entry and appends its value to dst.
	take(key string, dst []byte) ([]byte, code)
	touch(key string) code
	// expireAfter gives an entry another lifetime; 0 is the cache's own.
	expireAfter(key string, ttl uint64) code
	// clear removes all entries; invalidateAll and invalidateTag outdate them, and what is being loaded.
	clear()
	invalidateAll()
	invalidateTag(tag string)

	// acquire reads a value (codeOK, appended to dst), or gets the right to load it (codeLead, a token), or a place among
	// those who wait (codeWait, a ticket), or a value that is due to be loaded again (codeStale, and a token unless another
	// has it). lasting is how long the lease lasts by the system's clock; refreshAfter 0 is the cache's own.
	acquire(key string, lasting, refreshAfter uint64, dst []byte) (acquired, code)
	// complete brings the value of a lease: codeOK, codeOvertaken (given to those who wait, not stored), codeTooHeavy, codeLapsed.
	complete(token uint64, value []byte, w *write) code
	// abandon gives a lease up: one of those who wait, or the next who asks, gets it.
	abandon(token uint64) code
	// wait asks whether what a ticket waits for is there, and does not wait: codeOK with the value, codeLead with a token,
	// codeTimedOut (the ticket stays good), codeLapsed.
	wait(ticket uint64, dst []byte) (acquired, code)
	leave(ticket uint64) code

	// page is the next entries, at most limit (16 or more), copied; codeEnd with the last ones. *cursor begins as 0.
	page(cursor *uint64, limit int) ([]Pair, code)
	// removals is what has left since the last time, at most limit, the oldest first; codeEnd if that was all.
	removals(limit int) ([]Removal, code)

	count() uint64
	stats() Stats
	setCapacity(capacity uint64) code
	shrink(weight uint64) uint64
	maintain(budget int) code
	// discard lets go of all entries and tables as far as it can at once. The engine may still be called.
	discard()
}

var _ engineMethods = (*engine)(nil)

// forever is a time in milliseconds that does not end.
const forever = ^uint64(0)

// settings are those of newEngine, checked before.
type settings struct {
	capacity                          uint64
	unit                              unit
	policy                            Policy
	shards                            uint32
	withoutStats, trackAge, hugePages bool
	ttl, idle, refreshAfter           uint64
	clock                             *ManualClock // nil: the system's
	queue                             int          // removals kept for removals(); 0: none
}

type unit uint32

const (
	unitEntries unit = 0
	unitBytes   unit = 1
	unitWeight  unit = 2
)

// write is what a write says of its entry: 0 is the cache's own, forever is none.
type write struct {
	ttl, idle  uint64
	weight     uint64 // 0: what the engine counts
	weightless bool
	tags       []string
	condition  condition
	expected   []byte // of ifEqual
}

type condition uint32

const (
	always    condition = 0
	ifAbsent  condition = 2 // else codeNotStored
	ifPresent condition = 4 // else codeMiss
	ifEqual   condition = 8 // else codeNotStored, or codeMiss
)

// metadata is what an engine knows of an entry beside its value.
type metadata struct {
	age, remaining, idle uint64 // forever: not known, or none
	weight               uint64
}

// acquired is what acquire and wait found.
type acquired struct {
	value         []byte
	token, ticket uint64
}
