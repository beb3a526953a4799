//go:build !race

package pinyon

const underRace = false
