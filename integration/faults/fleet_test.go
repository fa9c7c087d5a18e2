package faults

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

const fleet = 10

// TestTenNodesAgreeOnOneKeyAndOneSchema starts ten nodes at once where there is
// nothing yet, and changes the keys under them.
func TestTenNodesAgreeOnOneKeyAndOneSchema(t *testing.T) {
	database := directorytest.StartPostgres(t)
	shared := "store " + storetest.StartRedis(t).URL() + "\ndirectory " + database.URL()
	s := prepareSite(t, fleet, secrets+shared)
	began := time.Now()
	s.start(t)
	t.Logf("%d nodes that were started at once answer after %v", fleet, time.Since(began).Round(time.Millisecond))

	first := s.keys(t, 0)
	if len(first) != 1 {
		t.Errorf("%d keys are published, want 1: %q", len(first), first)
	}
	for i := range s.nodes {
		if got := s.keys(t, i); !slices.Equal(got, first) {
			t.Errorf("node %d publishes the keys %q, and node 0 %q", i, got, first)
		}
	}
	if got := database.Query(`SELECT version_id FROM doorward_schema GROUP BY version_id HAVING count(*) <> 1`); len(got) != 0 {
		t.Errorf("migrations that were not run once: %q", got)
	}
	ann := member{address: "ann@example.com"}
	var err error
	if ann.token, err = s.program(t, 0).SignIn(t.Context(), s.box, ann.address); err != nil {
		t.Fatal(err)
	}
	s.checkMembers(t, []member{ann})

	t.Run("a node with another secret stays out", func(t *testing.T) {
		before := database.Query(`SELECT * FROM signing_keys ORDER BY 1`)
		stray := testbed.Prepare(t, testbed.Options{
			Caddyfile: testbed.Caddyfile(s.app, s.box, "secret "+strings.Repeat("another", 6)+"\n"+shared),
		})
		if err := stray.Start(); err == nil {
			t.Error("it has started")
		}
		for _, want := range []string{first[0], "sealed with another secret", "secret {new} {old}"} {
			if !strings.Contains(stray.Log(), want) {
				t.Errorf("its log does not say %q", want)
			}
		}
		if after := database.Query(`SELECT * FROM signing_keys ORDER BY 1`); !slices.Equal(after, before) {
			t.Error("it has changed the signing keys")
		}
		s.checkMembers(t, []member{ann})
	})

	t.Run("all follow a rotation, a paused one too", func(t *testing.T) {
		asleep := fleet - 1
		s.nodes[asleep].Pause()
		resumed := false
		t.Cleanup(func() {
			if !resumed {
				s.nodes[asleep].Resume()
			}
		})
		if output, err := s.nodes[0].Run("keys", "rotate", "--now"); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		rotated := time.Now()
		for i := range asleep {
			testbed.Eventually(t, 5*time.Second, "another node to publish the new key", func() bool { return len(s.keys(t, i)) == 2 })
		}
		awake := time.Since(rotated)
		ben := member{address: "ben@example.com"} // whose token the new key signs
		if ben.token, err = s.program(t, 1).SignIn(t.Context(), s.box, ben.address); err != nil {
			t.Fatal(err)
		}
		s.nodes[asleep].Resume()
		resumed = true
		// A token of a key that it has not heard of makes it look at once.
		s.checkMembers(t, []member{ann, ben})
		late := testbed.Eventually(t, 15*time.Second, "the node that was paused to publish the new key", func() bool { return len(s.keys(t, asleep)) == 2 })
		want := s.keys(t, 0)
		for i := range s.nodes {
			if got := s.keys(t, i); !slices.Equal(got, want) {
				t.Errorf("node %d publishes the keys %q, and node 0 %q", i, got, want)
			}
		}
		t.Logf("nine nodes knew the new key after %v, the one that was paused %v after it was asked", awake.Round(time.Millisecond), late.Round(time.Millisecond))
	})
}

// keys returns the IDs of the keys that a node publishes, in order.
func (s *site) keys(t *testing.T, node int) []string {
	t.Helper()
	a, err := s.program(t, node).Want(http.StatusOK, "GET", "/doorward/.well-known/jwks.json", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := a.JSON(&set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	slices.Sort(ids)
	return ids
}
