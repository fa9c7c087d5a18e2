package store

import (
	"crypto/tls"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRedisURLs(t *testing.T) {
	at := func(addresses ...string) []string { return addresses }
	for url, want := range map[string]redisServers{
		"redis://localhost":                   {addresses: at("localhost:6379")},
		"redis://localhost/":                  {addresses: at("localhost:6379")},
		"redis://redis.example.com:6380/3":    {addresses: at("redis.example.com:6380"), database: 3},
		"redis://ann:pa%2Fss@10.0.0.1:6379/0": {addresses: at("10.0.0.1:6379"), username: "ann", password: "pa/ss"},
		"redis://:pass@[::1]:6379":            {addresses: at("[::1]:6379"), password: "pass"},
		"redis://[::1]":                       {addresses: at("[::1]:6379")},
		"rediss://localhost:6379/0":           {addresses: at("localhost:6379"), secure: true},
		"unix:///run/redis.sock":              {addresses: at("/run/redis.sock")},
		"unix:///run/redis.sock?db=2":         {addresses: at("/run/redis.sock"), database: 2},
		"unix://ann:pass@/run/a%20b.sock":     {addresses: at("/run/a b.sock"), username: "ann", password: "pass"},

		"redis+sentinel://a/mymaster": {
			topology: behindSentinels, addresses: at("a:26379"), primary: "mymaster"},
		"redis+sentinel://ann:p%40ss,word@a:26379,b:1,[::1]/mymaster/3": {
			topology: behindSentinels, addresses: at("a:26379", "b:1", "[::1]:26379"), primary: "mymaster",
			username: "ann", password: "p@ss,word", database: 3},
		"rediss+sentinel://a,b/my-master.1/": {
			topology: behindSentinels, addresses: at("a:26379", "b:26379"), primary: "my-master.1", secure: true},
		"redis+cluster://a": {
			topology: clustered, addresses: at("a:6379")},
		"redis+cluster://:pass@a:7000,[fe80::1]:7001,c/": {
			topology: clustered, addresses: at("a:7000", "[fe80::1]:7001", "c:6379"), password: "pass"},
		"rediss+cluster://a,b": {
			topology: clustered, addresses: at("a:6379", "b:6379"), secure: true},
	} {
		if got, err := parseRedisURL(url); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseRedisURL(%q) = %+v, %v, want %+v", url, got, err, want)
		}
	}
}

func TestWrongRedisURLs(t *testing.T) {
	for url, want := range map[string]error{
		"":                                     errURLScheme,
		"localhost:6379":                       errURL,
		"http://localhost":                     errURLScheme,
		"redis:localhost":                      errURL,
		"redis://":                             errURLHost,
		"redis://:6379":                        errURLHost,
		"redis://localhost:port":               errURL,
		"redis://localhost/x":                  errURLPath,
		"redis://localhost/-1":                 errURLPath,
		"redis://localhost/0/1":                errURLPath,
		"redis://localhost#0":                  errURL,
		"redis://localhost?db=1":               errURLOption,
		"redis://localhost?skip_verify=true":   errURLOption,
		"unix://":                              errURLSocket,
		"unix:///":                             errURLSocket,
		"unix://run/redis.sock":                errURLSocket,
		"unix:///run/redis.sock?db=x":          errURLOption,
		"unix:///run/redis.sock?db=1&db=2":     errURLOption,
		"unix:///run/redis.sock?databse=1":     errURLOption,
		"unix:///run/redis.sock?db=1;x":        errURLOption,
		"redis://localhost:6379/9999999999999": errURLPath,
		"redis://a,b":                          errURLHosts,
		"rediss://a:6379,b:6379/0":             errURLHosts,
		"redis+://a":                           errURLScheme,
		"redis+sentinels://a/mymaster":         errURLScheme,
		"redis+sentinel+cluster://a/mymaster":  errURLScheme,
		"sentinel://a/mymaster":                errURLScheme,
		"unix+cluster://a":                     errURLScheme,
		"redis+sentinel://a:26379":             errURLPrimary,
		"redis+sentinel://a:26379/":            errURLPrimary,
		"redis+sentinel://a:26379//0":          errURLPrimary,
		"redis+sentinel://a/mymaster/x":        errURLPrimary,
		"redis+sentinel://a/mymaster/0/1":      errURLPrimary,
		"redis+sentinel:///mymaster":           errURLHost,
		"redis+sentinel://a,,b/mymaster":       errURLHost,
		"redis+sentinel://a,/mymaster":         errURLHost,
		"redis+sentinel://a,b:x/mymaster":      errURL,
		"redis+sentinel://a/mymaster?db=1":     errURLOption,
		"redis+sentinel://a/mymaster#0":        errURL,
		"redis+cluster://":                     errURLHost,
		"redis+cluster://a/0":                  errURLDatabase,
		"redis+cluster://a,b/mymaster":         errURLDatabase,
		"redis+cluster://a?db=1":               errURLOption,
		"redis+cluster://a,:6379":              errURLHost,
	} {
		if got, err := parseRedisURL(url); !errors.Is(err, want) {
			t.Errorf("parseRedisURL(%q) = %+v, %v, want %v", url, got, err, want)
		}
	}
}

// A password with a character that should have been encoded ends up in any part
// of the URL, and in the error of whoever quotes that part.
func TestErrorOfAWrongURLDoesNotContainThePassword(t *testing.T) {
	for _, url := range []string{
		"redis://ann:s3cret/more@localhost:6379/0",
		"redis://ann:s3cret#more@localhost:6379/0",
		"redis://ann:s3cret?more@localhost:6379/0",
		"redis://ann:12/s3cret@localhost:6379/0",
		"redis://ann:12?s3cret@localhost:6379/0",
		"redis://ann:s3cret%@localhost:6379/0",
		"redis://ann:s3cret more@localhost:6379/0",
		"redis://ann:s3cret@",
		"redis://ann:s3cret@localhost/s3cret",
		"s3cret://localhost",
		"http://ann:s3cret@localhost",
		"unix://ann:s3cret@host/run/redis.sock",
		"unix://ann:s3cret@/run/redis.sock?s3cret=s3cret",
		"redis+sentinel://ann:s3cret@a,b",
		"redis+sentinel://ann:s3cret@a,b/mymaster/s3cret",
		"redis+sentinel://ann:12/s3cret@a,b/mymaster",
		"redis+sentinel://ann:s3cret%@a,b/mymaster",
		"redis+cluster://ann:s3cret/more@a,b",
		"redis+cluster://ann:s3cret@a,b/s3cret",
		"redis+s3cret://ann:s3cret@a,b",
	} {
		_, err := NewRedis(RedisOptions{URL: url})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("NewRedis(%q) = %v, want an error without the password", url, err)
		}
	}
}

func TestWrongRedisOptions(t *testing.T) {
	const alone, sentinels, cluster = "redis://a", "redis+sentinel://a/mymaster", "redis+cluster://a"
	for _, test := range []struct {
		o    RedisOptions
		want error
	}{
		{RedisOptions{URL: alone, TLS: &tls.Config{}}, errTLS},
		{RedisOptions{URL: "unix:///run/redis.sock", TLS: &tls.Config{}}, errTLS},
		{RedisOptions{URL: sentinels, TLS: &tls.Config{}}, errTLS},
		{RedisOptions{URL: cluster, TLS: &tls.Config{}}, errTLS},
		{RedisOptions{URL: alone, SentinelPassword: "s3cret"}, errSentinelUser},
		{RedisOptions{URL: cluster, SentinelUsername: "ann", SentinelPassword: "s3cret"}, errSentinelUser},
		{RedisOptions{URL: sentinels, SentinelUsername: "ann"}, errSentinelPass},
		{RedisOptions{URL: alone, PoolSize: -1}, errNegative},
		{RedisOptions{URL: alone, Replicas: -1}, errNegative},
		{RedisOptions{URL: alone, DialTimeout: -1}, errNegative},
		{RedisOptions{URL: alone, Timeout: -1}, errNegative},
		{RedisOptions{URL: alone, PoolTimeout: -1}, errNegative},
		{RedisOptions{URL: alone, Replicas: 1, ReplicaTimeout: -1}, errNegative},
		{RedisOptions{URL: alone, ReplicaTimeout: time.Second}, errReplicas},
		{RedisOptions{URL: alone, Replicas: 1, ReplicaTimeout: time.Millisecond - 1}, errReplicaTimeout},
	} {
		if _, err := NewRedis(test.o); !errors.Is(err, test.want) {
			t.Errorf("NewRedis(%+v) = %v, want %v", test.o, err, test.want)
		}
	}
	for _, o := range []RedisOptions{
		{URL: sentinels, SentinelPassword: "s3cret", Replicas: 2, ReplicaTimeout: time.Millisecond},
		{URL: "rediss+cluster://a", TLS: &tls.Config{}, Replicas: 1, PoolSize: 1},
	} {
		r, err := NewRedis(o)
		if err != nil {
			t.Errorf("NewRedis(%+v) = %v, want nil", o, err)
			continue
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	}
}

func FuzzRedisURL(f *testing.F) {
	f.Add("redis://ann:pass@localhost:6379/0")
	f.Add("rediss://[::1]:1/2")
	f.Add("unix://ann:pass@/run/redis.sock?db=1")
	f.Add("redis+sentinel://ann:pass@a,b:1/mymaster/0")
	f.Add("rediss+cluster://ann:pass@a,[::1]:2")
	f.Fuzz(func(t *testing.T, url string) {
		servers, err := parseRedisURL(url)
		if err != nil {
			return
		}
		if len(servers.addresses) == 0 || slices.Contains(servers.addresses, "") {
			t.Errorf("parseRedisURL(%q) has addresses %q and no error", url, servers.addresses)
		}
		if (servers.topology == behindSentinels) != (servers.primary != "") {
			t.Errorf("parseRedisURL(%q) = %+v, want a primary behind sentinels and there only", url, servers)
		}
	})
}
