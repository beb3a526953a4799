package benches

import (
	"math/rand/v2"
	"sort"
)

// Zipf is count numbers below n, of which number i is drawn with a probability in proportion to 1/(i+1): Zipf's law with an exponent of 1, which
// the generator of the standard library does not have.
func Zipf(n, count int, seed uint64) []int32 {
	sums := make([]float64, n)
	sum := 0.0
	for i := range sums {
		sum += 1 / float64(i+1)
		sums[i] = sum
	}
	random := rand.New(rand.NewPCG(seed, seed))
	drawn := make([]int32, count)
	for i := range drawn {
		drawn[i] = int32(sort.SearchFloat64s(sums, random.Float64()*sum))
	}
	return drawn
}
