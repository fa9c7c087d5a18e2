//go:build unix

package storetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are those of a test's own authority: one for servers at 127.0.0.1
// and localhost, one for clients. They are in PEM files, which are gone with the
// test.
type Certificates struct {
	CAFile            string // who signed both
	CertFile, KeyFile string // of the client

	serverCertFile, serverKeyFile string
	config                        *tls.Config
}

// NewCertificates makes an authority and its certificates.
func NewCertificates(t testing.TB) *Certificates {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	c := &Certificates{
		CAFile:         path("ca.pem"),
		CertFile:       path("client.pem"),
		KeyFile:        path("client.key"),
		serverCertFile: path("server.pem"),
		serverKeyFile:  path("server.key"),
	}
	authority := &x509.Certificate{
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
		Subject:               pkix.Name{CommonName: "test authority"},
	}
	signer := newKey(t)
	root := issue(t, authority, authority, signer, signer)
	writePEM(t, c.CAFile, "CERTIFICATE", root.Raw)
	for _, leaf := range []struct{ name, cert, key string }{
		{"server", c.serverCertFile, c.serverKeyFile},
		{"client", c.CertFile, c.KeyFile},
	} {
		key := newKey(t)
		certificate := issue(t, &x509.Certificate{
			Subject:  pkix.Name{CommonName: leaf.name},
			DNSNames: []string{"localhost"},
			// A server of a cluster or with replicas is a client of the others.
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}, root, key, signer)
		writePEM(t, leaf.cert, "CERTIFICATE", certificate.Raw)
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, leaf.key, "PRIVATE KEY", der)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	client, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	c.config = &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}
	return c
}

// Config returns what a client needs: the authority to trust and its own
// certificate.
func (c *Certificates) Config() *tls.Config { return c.config.Clone() }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue signs template, for an hour either way.
func issue(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
