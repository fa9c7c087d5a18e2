package scale

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// useSessions makes a request with sessions of the site, each of which the
// gateway then keeps in memory, and finds out what one takes there. With all
// that are remembered it finds out what the most takes that a gateway keeps.
func (s *site) useSessions(t *testing.T) {
	t.Helper()
	// Connections to clients and to Redis take memory, too: they are made before.
	warm := len(s.tokens) / 10
	programs := make([]*testbed.Program, sessionWorkers)
	for i := range programs {
		programs[i] = s.program(t)
	}
	every := (s.size + len(s.tokens) - 1) / len(s.tokens)
	use := func(from, to int) {
		t.Helper()
		err := parallel(t.Context(), len(programs), to-from, func(_ context.Context, worker, i int) error {
			a, err := programs[worker].Want(http.StatusOK, "GET", "/", s.tokens[from+i], nil)
			if want := s.people.address((from + i) * every); err == nil && a.Body != want {
				err = fmt.Errorf("the session of %s was taken for that of %s", want, a.Body)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	use(0, warm)
	before := s.heap(t)
	some := min(len(s.tokens), warm+*cached)
	use(warm, some)
	s.bytes.heap = float64(s.heap(t)-before) / float64(some-warm)
	use(some, len(s.tokens))
	s.bytes.all, s.bytes.used = s.heap(t), len(s.tokens)
	vitals := s.gateway.Vitals()
	s.bytes.resident = vitals.Resident
	t.Logf("%d users: %.0f bytes of the node's memory for each session, a heap of %d MB after %d sessions; %v",
		s.size, s.bytes.heap, s.bytes.all/1e6, s.bytes.used, vitals)
}

var heapAlloc = regexp.MustCompile(`(?m)^# HeapAlloc = ([0-9]+)$`)

// heap returns the bytes of memory that the gateway uses, garbage not counted.
func (s *site) heap(t *testing.T) int64 {
	t.Helper()
	var found []string
	for range 2 { // what is pooled goes with the second collection
		response, err := http.Get("http://" + s.gateway.AdminAddr + "/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			t.Fatal(err)
		}
		profile, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if found = heapAlloc.FindStringSubmatch(string(profile)); found == nil {
			t.Fatal("the heap profile does not say how large the heap is")
		}
	}
	n, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// redisBytes returns the memory that Redis uses for everything but connections.
func (s *site) redisBytes(t *testing.T) int64 {
	t.Helper()
	number := func(field string) int64 {
		n, err := strconv.ParseInt(redisInfo(t, s.redis, "memory", field), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return number("used_memory") - number("mem_clients_normal")
}

// redisInfo returns a field of a section of INFO.
func redisInfo(t *testing.T, r *storetest.Redis, section, field string) string {
	t.Helper()
	text, _ := r.Must("INFO", section).(string)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("INFO %s of Redis has no %s", section, field)
	return ""
}
