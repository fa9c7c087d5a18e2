package caddymodule

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate writes a certificate that vouches for itself, and its key.
func writeCertificate(t testing.TB, dir, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	write(t, certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
	return certificate, key
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// shown returns the name in the certificate that is shown to a server.
func shown(t testing.TB, get func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) string {
	t.Helper()
	certificate, err := get(&tls.CertificateRequestInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Subject.CommonName
}

func TestRenewedClientCertificateIsShownAtTheNextHandshake(t *testing.T) {
	dir := t.TempDir()
	certificate, key := writeCertificate(t, dir, "first")
	renewed, renewedKey := writeCertificate(t, dir, "second")
	var warnings []error
	c := &clientCertificate{certificate: certificate, key: key, warn: func(_ string, err error) { warnings = append(warnings, err) }}
	good, err := c.read()
	if err != nil {
		t.Fatal(err)
	}
	c.good = good

	first, firstKey := read(t, certificate), read(t, key)
	for _, step := range []struct {
		name, certificate, key string
		want                   string
		warnings               int
	}{
		{"as it was", first, firstKey, "first", 0},
		{"the certificate is renewed, its key not yet", read(t, renewed), firstKey, "first", 1},
		{"the certificate is half written", first[:len(first)/2], firstKey, "first", 1},
		{"both are renewed", read(t, renewed), read(t, renewedKey), "second", 1},
		{"the key is empty", read(t, renewed), "", "second", 2},
		{"it is whole again", read(t, renewed), read(t, renewedKey), "second", 2},
	} {
		write(t, certificate, step.certificate)
		write(t, key, step.key)
		if got := shown(t, c.get); got != step.want {
			t.Errorf("%s: shown %q, want %q", step.name, got, step.want)
		}
		if len(warnings) != step.warnings {
			t.Errorf("%s: %d warnings, want %d: %v", step.name, len(warnings), step.warnings, warnings)
		}
	}
	for _, path := range []string{certificate, key} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if got := shown(t, c.get); got != "second" {
		t.Errorf("the files are gone: shown %q, want second", got)
	}
	if len(warnings) != 3 || !strings.Contains(warnings[2].Error(), certificate) {
		t.Errorf("the warning does not name %s: %v", certificate, warnings)
	}
}

func TestErrorForAWrongTLSFileNamesIt(t *testing.T) {
	dir := t.TempDir()
	certificate, key := writeCertificate(t, dir, "client")
	_, otherKey := writeCertificate(t, dir, "other")
	missing, text := filepath.Join(dir, "missing.pem"), filepath.Join(dir, "text.pem")
	write(t, text, "-----BEGIN CERTIFICATE-----\nnot a certificate\n")
	for _, tt := range []struct {
		name string
		tls  TLS
		want []string
	}{
		{"no authorities", TLS{CA: missing}, []string{"tls ca", missing}},
		{"authorities that are none", TLS{CA: text}, []string{"tls ca", text}},
		{"a key for authorities", TLS{CA: key}, []string{"tls ca", key}},
		{"a folder for authorities", TLS{CA: dir}, []string{"tls ca", dir}},
		{"no certificate", TLS{Certificate: missing, Key: key}, []string{"tls certificate", missing}},
		{"no key", TLS{Certificate: certificate, Key: missing}, []string{"tls certificate", missing}},
		{"another's key", TLS{Certificate: certificate, Key: otherKey}, []string{"tls certificate", certificate, otherKey}},
		{"the two the other way round", TLS{Certificate: key, Key: certificate}, []string{"tls certificate", key}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := tt.tls.config()
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want it to name %q", err, want)
				}
			}
		})
	}
}

func TestTLS12IsTheLeastThatIsSpoken(t *testing.T) {
	config, _, err := (&TLS{}).config()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.MinVersion; got != tls.VersionTLS12 {
		t.Errorf("the least version is %x, want %x", got, tls.VersionTLS12)
	}
}
