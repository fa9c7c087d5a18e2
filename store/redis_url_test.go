package store

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

func TestRedisURLs(t *testing.T) {
	for url, want := range map[string]redisServer{
		"redis://localhost":                   {address: "localhost:6379"},
		"redis://localhost/":                  {address: "localhost:6379"},
		"redis://redis.example.com:6380/3":    {address: "redis.example.com:6380", database: 3},
		"redis://ann:pa%2Fss@10.0.0.1:6379/0": {address: "10.0.0.1:6379", username: "ann", password: "pa/ss"},
		"redis://:pass@[::1]:6379":            {address: "[::1]:6379", password: "pass"},
		"redis://[::1]":                       {address: "[::1]:6379"},
		"rediss://localhost:6379/0":           {address: "localhost:6379", secure: true},
		"unix:///run/redis.sock":              {address: "/run/redis.sock"},
		"unix:///run/redis.sock?db=2":         {address: "/run/redis.sock", database: 2},
		"unix://ann:pass@/run/a%20b.sock":     {address: "/run/a b.sock", username: "ann", password: "pass"},
	} {
		if got, err := parseRedisURL(url); err != nil || got != want {
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
	} {
		_, err := NewRedis(RedisOptions{URL: url})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("NewRedis(%q) = %v, want an error without the password", url, err)
		}
	}
}

func TestTLSSettingsWithoutTLSAreRefused(t *testing.T) {
	for _, url := range []string{"redis://localhost", "unix:///run/redis.sock"} {
		if _, err := NewRedis(RedisOptions{URL: url, TLS: &tls.Config{}}); !errors.Is(err, errTLS) {
			t.Errorf("NewRedis(%q) with TLS settings = %v, want %v", url, err, errTLS)
		}
	}
}

func FuzzRedisURL(f *testing.F) {
	f.Add("redis://ann:pass@localhost:6379/0")
	f.Add("rediss://[::1]:1/2")
	f.Add("unix://ann:pass@/run/redis.sock?db=1")
	f.Fuzz(func(t *testing.T, url string) {
		server, err := parseRedisURL(url)
		if err == nil && server.address == "" {
			t.Errorf("parseRedisURL(%q) has no address and no error", url)
		}
	})
}
