package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

func TestRedisOverTLS(t *testing.T) {
	server := storetest.StartRedis(t)
	certificate, roots := selfSigned(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	forward(t, listener, server.Addr, new(atomic.Bool))
	addr := listener.Addr().String()
	r := openRedis(t, store.RedisOptions{URL: "rediss://" + addr, TLS: &tls.Config{RootCAs: roots}})
	wantService(t, r)
	wantMessages(t, r, subscribe(t, r))

	for name, o := range map[string]store.RedisOptions{
		"a certificate that nobody vouches for": {URL: "rediss://" + addr},
		"a certificate of another host":         {URL: "rediss://" + addr, TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"}},
		"no TLS at all":                         {URL: "redis://" + addr},
	} {
		r, err := store.NewRedis(o)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.Open(t.Context()); err == nil {
			t.Errorf("Open with %s = nil, want an error", name)
		}
	}
}

// selfSigned returns a certificate for 127.0.0.1 and the pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
