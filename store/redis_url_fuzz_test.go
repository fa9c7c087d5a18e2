package store

import (
	"strings"
	"testing"
)

// No error of a Redis URL repeats a password that stands in it, however the rest of
// the URL is written: a character that was not percent-encoded makes a piece of a
// password look like a host, a port, a path or an option.
func FuzzRedisURLErrorsKeepThePassword(f *testing.F) {
	for _, scheme := range []string{"redis://", "rediss://", "redis+sentinel://", "rediss+cluster://", "unix://", "memcached://", "", "redis:"} {
		for _, around := range [][2]string{
			{"ann:", "@localhost:6379/0"}, {"ann:", "/x@localhost"}, {"ann:", ":x@localhost"}, {":", "@"}, {"ann:a/", "@h"}, {"ann:a?", "@h"}, {"ann:a#", "@h"},
			{"", ""}, {"h/", ""}, {"h:1/0?db=", ""}, {"h?", "=1"}, {"[", "]"}, {"h:", ""}, {"ann:%", "@h"}, {"h,", ",h"}, {"/run/redis.sock?", ""},
		} {
			f.Add(scheme+around[0], around[1])
		}
	}
	const password = "Zq7Zq7Zq7"
	f.Fuzz(func(t *testing.T, before, after string) {
		redis, err := NewRedis(RedisOptions{URL: before + password + after})
		if err == nil {
			if err := redis.Close(); err != nil {
				t.Fatal(err)
			}
			return
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("%q: the error %q shows the password", before+password+after, err)
		}
	})
}
