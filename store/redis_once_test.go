package store_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// behindProxies returns the options for a store whose way to each server leads
// through a proxy, and the proxies.
var behindProxies = map[string]func(t *testing.T) (store.RedisOptions, []*proxy){
	"one server": func(t *testing.T) (store.RedisOptions, []*proxy) {
		p := startProxy(t, storetest.StartRedis(t).Addr)
		return store.RedisOptions{URL: "redis://" + p.Addr}, []*proxy{p}
	},
	"one server whose replica confirms": func(t *testing.T) (store.RedisOptions, []*proxy) {
		server := storetest.StartRedis(t)
		storetest.StartReplica(t, server)
		p := startProxy(t, server.Addr)
		return store.RedisOptions{URL: "redis://" + p.Addr, Replicas: 1, ReplicaTimeout: 10 * time.Second}, []*proxy{p}
	},
	"a cluster": clusterBehindProxies,
	"a cluster whose replicas confirm": func(t *testing.T) (store.RedisOptions, []*proxy) {
		o, proxies := clusterBehindProxies(t)
		o.Replicas, o.ReplicaTimeout = 1, 10*time.Second
		return o, proxies
	},
}

// clusterBehindProxies starts a cluster whose nodes name their proxies where they
// are asked for their addresses.
func clusterBehindProxies(t *testing.T) (store.RedisOptions, []*proxy) {
	c := storetest.StartCluster(t, calm...)
	var proxies []*proxy
	for _, node := range c.Nodes {
		p := startProxy(t, node.Addr)
		_, port, err := net.SplitHostPort(p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		node.Must("config", "set", "cluster-announce-port", port)
		proxies = append(proxies, p)
	}
	// What a node says of the others it has heard from them.
	deadline := time.Now().Add(20 * time.Second)
	for _, node := range c.Nodes {
		for named := 0; named != len(proxies); {
			if time.Now().After(deadline) {
				t.Fatal("the nodes still name their own ports")
			}
			<-time.After(20 * time.Millisecond)
			named = 0
			for _, p := range proxies {
				if names(node, p.Addr) {
					named++
				}
			}
		}
	}
	c.WaitUntilWhole()
	return store.RedisOptions{URL: "redis+cluster://" + proxies[0].Addr}, proxies
}

// names tells whether a node gives addr as that of a node.
func names(node *storetest.Redis, addr string) bool {
	for _, entry := range node.Must("cluster", "slots").([]any) {
		for _, server := range entry.([]any)[2:] {
			port := server.([]any)[1].(int64)
			if net.JoinHostPort(server.([]any)[0].(string), itoa(port)) == addr {
				return true
			}
		}
	}
	return false
}

// A Count whose answer is lost has counted, and fails. Sent again behind the
// caller's back it would use up two attempts. A Take would say that there was
// nothing, and a Create that somebody else was first, which are answers, and wrong
// ones.
func TestCommandIsNeverSentTwice(t *testing.T) {
	for name, start := range behindProxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, proxies := start(t)
			r := openRedis(t, o)
			if n, err := r.Count(t.Context(), "attempts", time.Hour); err != nil || n != 1 {
				t.Fatalf("Count = %d, %v, want 1", n, err)
			}
			loseAnswer(t, proxies, "doorward:key:attempts", func() {
				if n, err := r.Count(t.Context(), "attempts", time.Hour); err == nil || errors.Is(err, store.ErrNotFound) {
					t.Errorf("Count without an answer = %d, %v, want a failure", n, err)
				}
			})
			if n, err := r.Count(t.Context(), "attempts", time.Hour); err != nil || n != 3 {
				t.Errorf("Count after one that had no answer = %d, %v, want 3", n, err)
			}

			if err := r.Put(t.Context(), "challenge", []byte("value"), time.Hour); err != nil {
				t.Fatal(err)
			}
			loseAnswer(t, proxies, "doorward:key:challenge", func() {
				if got, err := r.Take(t.Context(), "challenge"); err == nil || errors.Is(err, store.ErrNotFound) {
					t.Errorf("Take without an answer = %q, %v, want a failure", got, err)
				}
			})
			if got, err := r.Take(t.Context(), "challenge"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Take after one that had no answer = %q, %v, want ErrNotFound", got, err)
			}

			if err := r.Put(t.Context(), "session", []byte("value"), time.Hour); err != nil {
				t.Fatal(err)
			}
			touched := []store.Entry{{Key: "missing", TTL: time.Hour}, {Key: "session", Value: []byte("touched"), TTL: time.Hour}}
			loseAnswer(t, proxies, "doorward:key:session", func() {
				if err := r.ReplaceAll(t.Context(), touched...); err == nil {
					t.Error("ReplaceAll without an answer = nil, want a failure")
				}
			})
			loseAnswer(t, proxies, "doorward:key:promise", func() {
				if err := r.Create(t.Context(), "promise", []byte("value"), time.Hour); err == nil || errors.Is(err, store.ErrExists) {
					t.Errorf("Create without an answer = %v, want a failure", err)
				}
			})
			if err := r.Create(t.Context(), "promise", []byte("other"), time.Hour); !errors.Is(err, store.ErrExists) {
				t.Errorf("Create after one that had no answer = %v, want ErrExists", err)
			}
		})
	}
}

// loseAnswer runs do, and has the proxies lose the answer to the first request with
// what in it.
func loseAnswer(t *testing.T, proxies []*proxy, what string, do func()) {
	t.Helper()
	for _, p := range proxies {
		p.LoseAnswer(what)
	}
	do()
	lost, sent := 0, int64(0)
	for _, p := range proxies {
		sent += p.seen.Load()
		if p.Lost() {
			lost++
		}
		p.lose.Store(nil)
	}
	if lost != 1 {
		t.Fatalf("%d proxies have lost an answer, want 1", lost)
	}
	if sent != 1 {
		t.Errorf("what has %q in it was sent %d times, want 1", what, sent)
	}
}

// A part of the keys moves to another node while the store works with it: asked for
// on the way, moved for good in the end.
func TestKeysAreFoundWhileTheyMove(t *testing.T) {
	for name, o := range map[string]store.RedisOptions{
		"a cluster":                        {},
		"a cluster whose replicas confirm": {Replicas: 1, ReplicaTimeout: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := storetest.StartCluster(t, calm...)
			restrict(t, "ann", "+cluster|slots +asking +wait", c.Nodes...)
			o.URL, o.Prefix = as("ann", c.URL()), "ann:"
			r := openRedis(t, o)
			ctx := t.Context()
			put := func(key string) {
				t.Helper()
				if err := r.Put(ctx, key, []byte("value"), time.Hour); err != nil {
					t.Fatalf("Put(%q): %v", key, err)
				}
			}
			counted := int64(0)
			count := func(when string) {
				t.Helper()
				counted++
				if n, err := r.Count(ctx, "{moving}count", time.Hour); err != nil || n != counted {
					t.Errorf("Count %s = %d, %v, want %d", when, n, err, counted)
				}
			}
			take := func(key, when string) {
				t.Helper()
				if got, err := r.Take(ctx, key); err != nil || string(got) != "value" {
					t.Errorf("Take %s = %q, %v, want the value", when, got, err)
				}
				if got, err := r.Take(ctx, key); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("second Take %s = %q, %v, want ErrNotFound", when, got, err)
				}
			}
			create := func(key, when string) {
				t.Helper()
				if err := r.Create(ctx, key, []byte("value"), time.Hour); err != nil {
					t.Errorf("Create %s = %v, want nil", when, err)
				}
				if err := r.Create(ctx, key, []byte("other"), time.Hour); !errors.Is(err, store.ErrExists) {
					t.Errorf("second Create %s = %v, want ErrExists", when, err)
				}
			}
			put("{moving}stays")
			create("{moving}goes", "before the move")

			const goes = "ann:key:{moving}goes"
			to, finish := move(t, c, goes)
			take("{moving}stays", "of what has not moved yet")
			take("{moving}goes", "of what has moved already")
			count("on the new node")
			create("{moving}goes", "of what was taken at the new node")
			finish()
			count("after the move")
			take("{moving}goes", "after the move")
			if got := to.Must("exists", "ann:key:{moving}count").(int64); got != 1 {
				t.Errorf("the counter is at the new node %d times, want 1", got)
			}
		})
	}
}

// move begins to move the part of the keys that key is in to another node, and key
// is there already. finish ends the move; what else has a
// place in that part must have been deleted by then, or be at the new node.
func move(t *testing.T, c *storetest.Cluster, key string) (to *storetest.Redis, finish func()) {
	t.Helper()
	slot := itoa(c.Nodes[0].Must("cluster", "keyslot", key).(int64))
	from := c.Primary(key)
	to = c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	fromID, toID := from.Must("cluster", "myid").(string), to.Must("cluster", "myid").(string)
	to.Must("cluster", "setslot", slot, "importing", fromID)
	from.Must("cluster", "setslot", slot, "migrating", toID)
	host, port, err := net.SplitHostPort(to.Addr)
	if err != nil {
		t.Fatal(err)
	}
	from.Must("migrate", host, port, key, "0", "5000")
	return to, func() {
		to.Must("cluster", "setslot", slot, "node", toID)
		from.Must("cluster", "setslot", slot, "node", toID)
	}
}
