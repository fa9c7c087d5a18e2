package bench

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	// zipfExponent is s of Zipf's law: the k-th most active session makes a part of
	// all requests that is in proportion to k to the power of -s.
	zipfExponent = 1.1

	// orderLength is how many requests there are before the order begins again.
	orderLength = 1 << 20
)

// uniform returns sessions in the order of their requests, all equally active.
func uniform(sessions int) []int {
	order := make([]int, orderLength)
	for i := range order {
		order[i] = rand.IntN(sessions)
	}
	return order
}

// zipf returns sessions in the order of their requests, by Zipf's law. Which of them
// are the active ones is drawn.
func zipf(sessions int) []int {
	z := rand.NewZipf(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), zipfExponent, 1, uint64(sessions-1))
	ranked := rand.Perm(sessions)
	order := make([]int, orderLength)
	for i := range order {
		order[i] = ranked[z.Uint64()]
	}
	return order
}

// lines writes an order for the client, which counts from 1.
func lines(order []int) string {
	var b strings.Builder
	for _, i := range order {
		b.WriteString(strconv.Itoa(i + 1))
		b.WriteByte('\n')
	}
	return b.String()
}
