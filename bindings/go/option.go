package pinyon

import (
	"math"
	"time"
)

// Forever is a lifetime that does not end, whatever the cache's own.
const Forever time.Duration = math.MaxInt64

// Option is a setting of [New] and [NewBytes].
type Option func(*config) error

// config is what options set.
type config struct {
	settings
	negative     uint64 // milliseconds; 0: loaders' ErrNotFound is not kept
	listener     func(Removal)
	keyCodec     any
	valueCodec   any
	lastCapacity string
}

func configured(options []Option) (*config, error) {
	c := new(config)
	for _, option := range options {
		if option == nil {
			return nil, invalid("an option is nil")
		}
		if err := option(c); err != nil {
			return nil, err
		}
	}
	if c.lastCapacity == "" {
		return nil, invalid("there is no capacity: give one of WithCapacity (entries), WithCapacityBytes, WithCapacityWeight")
	}
	return c, nil
}

func capacity(option string, u unit, n int64, least int64) Option {
	return func(c *config) error {
		if n < least {
			return invalid("%s(%d): at least %d", option, n, least)
		}
		if c.lastCapacity != "" {
			return invalid("%s and %s: a cache has one capacity", c.lastCapacity, option)
		}
		c.lastCapacity, c.unit, c.capacity = option, u, uint64(n)
		return nil
	}
}

// leastBytes is the smallest capacity in bytes.
const leastBytes = 1024

// WithCapacity bounds the number of entries.
func WithCapacity(entries int) Option {
	return capacity("WithCapacity", unitEntries, int64(entries), 1)
}

// WithCapacityBytes bounds the memory of all entries: keys, values, and what the library needs for each; at least 1024.
func WithCapacityBytes(bytes int64) Option {
	return capacity("WithCapacityBytes", unitBytes, bytes, leastBytes)
}

// WithCapacityWeight bounds the sum of weights, which each write gives: see [Entry]. One that gives none weighs 1.
func WithCapacityWeight(weight int64) Option {
	return capacity("WithCapacityWeight", unitWeight, weight, 1)
}

// millis is a duration of an option, rounded up, at least one.
func millis(option string, d time.Duration) (uint64, error) {
	if d <= 0 {
		return 0, invalid("%s(%v): must be above 0; for entries that live for ever leave the option away", option, d)
	}
	return roundUp(d), nil
}

func roundUp(d time.Duration) uint64 {
	if d == Forever {
		return forever
	}
	return uint64(d/time.Millisecond) + uint64(min(d%time.Millisecond, 1))
}

func duration(option string, d time.Duration, set func(*config, uint64)) Option {
	return func(c *config) error {
		ms, err := millis(option, d)
		if err == nil && ms != forever {
			set(c, ms)
		}
		return err
	}
}

// WithTTL is how long entries live after they were written, if a write does not say otherwise; to the millisecond.
func WithTTL(ttl time.Duration) Option {
	return duration("WithTTL", ttl, func(c *config, ms uint64) { c.ttl = ms })
}

// WithIdle is how long entries live unread (time to idle).
func WithIdle(idle time.Duration) Option {
	return duration("WithIdle", idle, func(c *config, ms uint64) { c.idle = ms })
}

// WithRefreshAfter is when a value is due to be loaded again: from then on [Bytes.GetOrLoad] returns it as it is, and one call
// loads it anew in the background. At WithTTL or above it has no effect on entries without a lifetime of their own.
func WithRefreshAfter(age time.Duration) Option {
	return duration("WithRefreshAfter", age, func(c *config, ms uint64) { c.refreshAfter = ms })
}

// WithNegativeTTL remembers for so long ([Forever] for ever) that a loader returned [ErrNotFound]: until then [Bytes.GetOrLoad] returns it too,
// and all other calls see no entry. What is remembered is an entry of its own (its value is a random mark of 16 bytes, made with the
// cache), so it counts in the capacity, and a write, a removal or an invalidation of its key ends it. In such a cache
// Contains, TTL and Replace are reads, which count and are uses. It does not go together with [Bytes.Shared].
func WithNegativeTTL(ttl time.Duration) Option {
	return func(c *config) error {
		ms, err := millis("WithNegativeTTL", ttl)
		if err == nil {
			c.negative = ms
		}
		return err
	}
}

// WithPolicy is which entries leave for want of room; [ClockTinyLFU] if it is not given.
func WithPolicy(policy Policy) Option {
	return func(c *config) error {
		if policy > Clock {
			return invalid("WithPolicy(%v): there are ClockTinyLFU and Clock", policy)
		}
		c.policy = policy
		return nil
	}
}

// WithShards is over how many shards writers are spread, 1 to 4096; by the capacity and the processors if it is not given.
func WithShards(n int) Option {
	return func(c *config) error {
		if n < 1 || n > 4096 {
			return invalid("WithShards(%d): 1 to 4096", n)
		}
		c.shards = uint32(n)
		return nil
	}
}

// WithoutStats leaves hits and misses uncounted.
func WithoutStats() Option {
	return func(c *config) error { c.withoutStats = true; return nil }
}

// WithAge keeps the age of every entry, at 32 bytes each, for [Bytes.Metadata].
func WithAge() Option {
	return func(c *config) error { c.trackAge = true; return nil }
}

// WithHugePages puts entries on huge pages, if the system has them: for millions of entries.
func WithHugePages() Option {
	return func(c *config) error { c.hugePages = true; return nil }
}

// WithClock makes lifetimes go by another clock, for tests. Leases of loaders last by the system's.
func WithClock(clock *ManualClock) Option {
	return func(c *config) error {
		if clock == nil {
			return invalid("WithClock(nil): make one with NewManualClock")
		}
		c.clock = clock
		return nil
	}
}

// WithListener tells of every entry that leaves: one goroutine calls listener, in order for each key, some milliseconds after.
// The last queue removals are kept for it; if it is too slow for that the oldest are lost, which [Stats] counts. They are
// memory beside the capacity. A listener that panics is called again with the next removal.
func WithListener(queue int, listener func(Removal)) Option {
	return func(c *config) error {
		if listener == nil {
			return invalid("WithListener: the listener is nil")
		}
		if queue < 1 {
			return invalid("WithListener: a queue of %d: at least 1", queue)
		}
		c.queue, c.listener = queue, listener
		return nil
	}
}

// Entry is what a write says of its entry beside the value. What is zero is as the cache says.
type Entry struct {
	TTL        time.Duration // how long it lives, [Forever] for ever; to the millisecond, rounded up
	Idle       time.Duration // how long it lives unread
	Weight     uint64        // in place of what the library counts; of no effect where the capacity is a number of entries
	Weightless bool          // it takes no room, and is never evicted; of no effect where the capacity is a number of entries
	Tags       []string      // for InvalidateTag
}

// write is what an engine takes, nil of an entry that says nothing.
func (entry *Entry) write() (*write, error) {
	if entry.TTL == 0 && entry.Idle == 0 && entry.Weight == 0 && !entry.Weightless && len(entry.Tags) == 0 {
		return nil, nil
	}
	if entry.TTL < 0 || entry.Idle < 0 {
		return nil, invalid("Entry: TTL %v, Idle %v: must not be below 0; an entry that should not be there is not written", entry.TTL, entry.Idle)
	}
	if entry.Weightless && entry.Weight != 0 {
		return nil, invalid("Entry: Weightless with a Weight of %d: one or the other", entry.Weight)
	}
	return &write{ttl: roundUp(entry.TTL), idle: roundUp(entry.Idle), weight: entry.Weight, weightless: entry.Weightless, tags: entry.Tags}, nil
}
