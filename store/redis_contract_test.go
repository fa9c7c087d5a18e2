package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// calm are the arguments for a cluster that does not take a busy machine for a node
// that is gone.
var calm = []string{"--cluster-node-timeout", "30000"}

// forms are the forms in which people run Redis. Each starts its servers and
// returns the options for a store with a prefix of its own.
var forms = map[string]func(t *testing.T) func(name string) store.RedisOptions{
	"one server": func(t *testing.T) func(name string) store.RedisOptions {
		server := storetest.StartRedis(t)
		return func(name string) store.RedisOptions { return store.RedisOptions{URL: server.URL(), Prefix: name + ":"} }
	},
	"one server over a unix socket as a restricted user": func(t *testing.T) func(name string) store.RedisOptions {
		server := storetest.StartRedis(t)
		return func(name string) store.RedisOptions {
			restrict(t, name, "", server)
			return store.RedisOptions{URL: "unix://" + name + ":s3cret@" + server.Socket, Prefix: name + ":"}
		}
	},
	"another database over TLS with a client certificate": func(t *testing.T) func(name string) store.RedisOptions {
		server := storetest.StartRedisTLS(t)
		return func(name string) store.RedisOptions {
			return store.RedisOptions{
				URL: "rediss://" + server.Addr + "/3", Prefix: name + ":", TLS: server.Certificates().Config(),
			}
		}
	},
	"one server whose replica confirms": func(t *testing.T) func(name string) store.RedisOptions {
		server := storetest.StartRedis(t)
		storetest.StartReplica(t, server)
		return func(name string) store.RedisOptions {
			restrict(t, name, "+wait", server)
			return store.RedisOptions{URL: as(name, server.URL()), Prefix: name + ":", Replicas: 1, ReplicaTimeout: 10 * time.Second}
		}
	},
	"sentinels and restricted users": func(t *testing.T) func(name string) store.RedisOptions {
		s := storetest.StartSentinels(t)
		for _, sentinel := range s.Sentinels {
			sentinel.Must("sentinel", "set", storetest.PrimaryName, "down-after-milliseconds", "60000")
			sentinel.Must("acl", "setuser", "watcher", "reset", "on", ">w4tch", "+ping", "+subscribe",
				"+sentinel|get-master-addr-by-name", "+sentinel|sentinels", "&+switch-master", "&+replica-reconf-done")
		}
		return func(name string) store.RedisOptions {
			restrict(t, name, "+select", s.Servers...)
			return store.RedisOptions{
				URL:              as(name, strings.TrimSuffix(s.URL(), "/0")+"/2"),
				Prefix:           name + ":",
				SentinelUsername: "watcher",
				SentinelPassword: "w4tch",
			}
		}
	},
	"a cluster and restricted users": func(t *testing.T) func(name string) store.RedisOptions {
		c := storetest.StartCluster(t, calm...)
		return func(name string) store.RedisOptions {
			restrict(t, name, "+cluster|slots +asking", c.Nodes...)
			return store.RedisOptions{URL: as(name, c.URL()), Prefix: name + ":"}
		}
	},
	"a cluster over TLS whose replicas confirm": func(t *testing.T) func(name string) store.RedisOptions {
		c := storetest.StartClusterTLS(t, calm...)
		return func(name string) store.RedisOptions {
			return store.RedisOptions{URL: c.URL(), Prefix: name + ":", Replicas: 1, ReplicaTimeout: 10 * time.Second, TLS: c.Certificates().Config()}
		}
	},
}

func TestRedis(t *testing.T) {
	for name, start := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := start(t)
			seal := strings.Contains(name, "whose replicas confirm") // one of them is enough
			patient := func(name string) store.RedisOptions {
				o := options(name)
				// A busy machine is no failure: hundreds of handshakes may be waiting.
				o.DialTimeout, o.Timeout, o.PoolTimeout = time.Minute, time.Minute, time.Minute
				if o.Replicas > 0 {
					o.ReplicaTimeout = time.Minute
				}
				return o
			}
			open := func(t *testing.T, name string) store.Store {
				r := openRedis(t, patient(name))
				if seal {
					return store.Sealed(r, newGCM(t))
				}
				return r
			}
			for i, promise := range storetest.Contract {
				t.Run(promise.Name, func(t *testing.T) {
					t.Parallel()
					promise.Check(t, open(t, fmt.Sprint("contract", i)), wait)
				})
			}
			for i, promise := range storetest.Shared {
				t.Run(promise.Name, func(t *testing.T) {
					t.Parallel()
					o := patient(fmt.Sprint("shared", i))
					promise.Check(t, openRedis(t, o), openRedis(t, o))
				})
			}
		})
	}
}

// restrict makes a user of all servers who may do what the documentation of Redis
// says, under the prefix of its name, and nothing else but what more allows.
func restrict(t *testing.T, name, more string, servers ...*storetest.Redis) {
	t.Helper()
	const commands = "+ping +set +get +getdel +del +zrem +eval +evalsha +publish +subscribe " +
		"+hincrby +pexpire +pexpireat +time +zadd +zremrangebyscore +zrange +zrangebyscore "
	rules := slices.Concat(
		[]string{"acl", "setuser", name, "reset", "on", ">s3cret", "~" + name + ":*", "&" + name + ":*"},
		strings.Fields(commands+more))
	for _, server := range servers {
		server.Must(rules...)
	}
}

// as puts a restricted user into a URL.
func as(name, url string) string { return strings.Replace(url, "://", "://"+name+":s3cret@", 1) }
