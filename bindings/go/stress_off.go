//go:build !pinyon_gcstress

package pinyon

// stress is where a build for tests collects garbage: see stress_on.go.
func stress() {}
