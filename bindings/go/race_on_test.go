//go:build race

package pinyon

// A sync.Pool forgets at random then, so allocations are not counted.
const underRace = true
