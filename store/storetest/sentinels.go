//go:build unix

package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// PrimaryName is what the sentinels of a test call their primary.
const PrimaryName = "doorward"

// Sentinels are three sentinels that watch over a primary and two replicas. They
// notice within a second or two that it is gone, and have another a second later.
type Sentinels struct {
	Servers   []*Redis // the first primary, then its replicas
	Sentinels []*Redis

	t testing.TB
}

// StartSentinels runs all six processes until the test ends, and returns when they
// know each other. The arguments are for the three servers.
func StartSentinels(t testing.TB, args ...string) *Sentinels {
	t.Helper()
	return startSentinels(t, nil, args...)
}

// StartSentinelsTLS is StartSentinels with servers and sentinels that speak TLS
// only, and want a certificate of their clients.
func StartSentinelsTLS(t testing.TB, args ...string) *Sentinels {
	t.Helper()
	return startSentinels(t, NewCertificates(t), args...)
}

func startSentinels(t testing.TB, certificates *Certificates, args ...string) *Sentinels {
	t.Helper()
	s := &Sentinels{t: t}
	primary := startRedis(t, certificates, args...)
	s.Servers = append(s.Servers, primary)
	for range 2 {
		s.Servers = append(s.Servers, StartReplica(t, primary, args...))
	}
	for range 3 {
		s.Sentinels = append(s.Sentinels, startSentinel(t, primary))
	}
	until(t, "all sentinels know each other and the replicas", func() bool {
		return !slices.ContainsFunc(s.Sentinels, func(r *Redis) bool {
			view := sentinelView(r)
			return view["num-other-sentinels"] != "2" || view["num-slaves"] != "2"
		})
	})
	return s
}

func startSentinel(t testing.TB, primary *Redis) *Redis {
	t.Helper()
	dir := serverDir(t)
	host, port := primary.hostPort()
	settings := fmt.Sprintf("dir %s\n", dir) +
		fmt.Sprintf("sentinel monitor %s %s %s 2\n", PrimaryName, host, port) +
		fmt.Sprintf("sentinel down-after-milliseconds %s 1000\n", PrimaryName) +
		fmt.Sprintf("sentinel failover-timeout %s 1000\n", PrimaryName) +
		fmt.Sprintf("sentinel parallel-syncs %s 2\n", PrimaryName)
	file := filepath.Join(dir, "sentinel.conf") // the sentinel writes into it, too
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &Redis{t: t, args: []string{file, "--sentinel"}, certificates: primary.certificates}
	r.startAnywhere()
	// A sentinel looks around once in one to ten seconds, which suits a network more
	// than a test. Redis before 7.0 cannot be told otherwise, and is waited for.
	_, _ = r.Do("sentinel", "debug", "info-period", "200", "ping-period", "100", "ask-period", "100",
		"publish-period", "200", "slave-reconf-timeout", "1000", "election-timeout", "1000")
	return r
}

// URL returns the addresses of the sentinels in the form that [store.NewRedis]
// reads.
func (s *Sentinels) URL() string {
	var addrs []string
	for _, sentinel := range s.Sentinels {
		addrs = append(addrs, sentinel.Addr)
	}
	return s.Servers[0].scheme() + "+sentinel://" + strings.Join(addrs, ",") + "/" + PrimaryName + "/0"
}

// Certificates returns those that all were started with, or nil.
func (s *Sentinels) Certificates() *Certificates { return s.Servers[0].certificates }

// Primary returns the server that most sentinels take for the primary.
func (s *Sentinels) Primary() *Redis {
	s.t.Helper()
	var primary *Redis
	until(s.t, "most sentinels name the same primary", func() bool {
		votes := map[string]int{}
		for _, sentinel := range s.Sentinels {
			view := sentinelView(sentinel)
			votes[view["ip"]+":"+view["port"]]++
		}
		i := slices.IndexFunc(s.Servers, func(r *Redis) bool { return votes[r.Addr] > len(s.Sentinels)/2 })
		if i < 0 {
			return false
		}
		primary = s.Servers[i]
		return true
	})
	return primary
}

// FailOver tells the sentinels to put another primary in the place of one that is
// well, as for maintenance, and returns it.
func (s *Sentinels) FailOver() *Redis {
	s.t.Helper()
	old := s.Primary()
	until(s.t, "the sentinels have another primary", func() bool {
		// They refuse while they are at it, and give up when it takes them too long.
		_, _ = s.Sentinels[0].Do("sentinel", "failover", PrimaryName)
		return s.Primary() != old
	})
	return s.Primary()
}

// WaitForPrimary waits until another server than old is the primary, and returns
// it.
func (s *Sentinels) WaitForPrimary(old *Redis) *Redis {
	s.t.Helper()
	var primary *Redis
	until(s.t, "the sentinels have another primary", func() bool {
		primary = s.Primary()
		return primary != old
	})
	return primary
}

// WaitForReplicas waits until the primary has n replicas that keep up with it.
func (s *Sentinels) WaitForReplicas(n int) {
	s.t.Helper()
	until(s.t, fmt.Sprintf("the primary has %d replicas", n), func() bool { return s.Primary().replicas() == n })
}

// replicas returns how many replicas the server passes its changes on to.
func (r *Redis) replicas() int { return strings.Count(r.text("info", "replication"), "state=online") }

// sentinelView returns what a sentinel knows of the primary; nothing, if it does not
// answer.
func sentinelView(sentinel *Redis) map[string]string {
	answer, _ := sentinel.Do("sentinel", "master", PrimaryName)
	fields, _ := answer.([]any)
	view := map[string]string{}
	for pair := range slices.Chunk(fields, 2) {
		view[fmt.Sprint(pair[0])] = fmt.Sprint(pair[1])
	}
	return view
}
