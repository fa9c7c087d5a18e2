package store_test

import (
	"crypto/tls"
	"testing"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

func TestRedisOverTLS(t *testing.T) {
	server := storetest.StartRedisTLS(t)
	url := server.URL()
	trusting := func(change func(*tls.Config)) *tls.Config {
		c := server.Certificates().Config()
		change(c)
		return c
	}
	r := openRedis(t, store.RedisOptions{URL: url, TLS: server.Certificates().Config()})
	wantService(t, r)
	wantMessages(t, r, subscribe(t, r))
	openRedis(t, store.RedisOptions{URL: url, TLS: trusting(func(c *tls.Config) { c.ServerName = "localhost" })})

	for name, o := range map[string]store.RedisOptions{
		"a certificate that nobody vouches for": {URL: url, TLS: trusting(func(c *tls.Config) { c.RootCAs = nil })},
		"a certificate of another host":         {URL: url, TLS: trusting(func(c *tls.Config) { c.ServerName = "example.com" })},
		"no certificate of its own":             {URL: url, TLS: trusting(func(c *tls.Config) { c.Certificates = nil })},
		"no settings":                           {URL: url},
		"no TLS at all":                         {URL: "redis://" + server.Addr},
	} {
		wantNotOpen(t, name, o)
	}
}

// Also a sentinel says who the primary is: one that nobody vouches for could name
// its own.
func TestSentinelsOverTLS(t *testing.T) {
	s := storetest.StartSentinelsTLS(t)
	r := openRedis(t, store.RedisOptions{URL: s.URL(), TLS: s.Certificates().Config()})
	wantService(t, r)
	wantMessages(t, r, subscribe(t, r))

	another := storetest.NewCertificates(t).Config()
	wantNotOpen(t, "another authority", store.RedisOptions{URL: s.URL(), TLS: another})
	plain := storetest.StartSentinels(t)
	wantNotOpen(t, "sentinels without TLS", store.RedisOptions{
		URL: "rediss+sentinel://" + plain.Sentinels[0].Addr + "/" + storetest.PrimaryName, TLS: s.Certificates().Config(),
	})
}

// wantNotOpen checks that the store does not open.
func wantNotOpen(t *testing.T, name string, o store.RedisOptions) {
	t.Helper()
	r, err := store.NewRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Open(t.Context()); err == nil {
		t.Errorf("Open with %s = nil, want an error", name)
	}
}
