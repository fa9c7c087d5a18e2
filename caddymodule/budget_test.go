package caddymodule

import "testing"

// passBudget is how many allocations a request that passes may cost beyond those that
// measuring itself costs: one for what is left of the cookies, one for the values of
// our headers, one for the placeholders, and one to spare.
const passBudget = 4

// The benchmarks count, so that this holds of what they measure. A count is the same
// on every machine, under the race detector too; a time is not.
func TestPassingRequestAllocatesLittle(t *testing.T) {
	nothing := allocations(t, func(b *testing.B) { benchmark(b, empty{}, []string{""}, "/wiki", true) })
	passing := allocations(t, func(b *testing.B) {
		door := benchDoor(b)
		benchmark(b, door, signInMany(b, door.app, 1), "/wiki", true)
	})
	t.Logf("%d allocations for a request that passes, %d of them for measuring", passing, nothing)
	if got := passing - nothing; got > passBudget {
		t.Errorf("a request that passes allocates %d times, want %d at most", got, passBudget)
	}
}

// allocations returns how often a benchmark allocates each time.
func allocations(t *testing.T, f func(b *testing.B)) int64 {
	t.Helper()
	r := testing.Benchmark(f)
	if r.N == 0 {
		t.Fatal("the benchmark fails: go test -run '^$' -bench '^BenchmarkDoor$' says why")
	}
	return r.AllocsPerOp()
}
