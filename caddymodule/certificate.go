package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// TLS says whom to trust on a connection to a backend, and who we are. TLS 1.2
// is the least that is spoken. Files are read when the configuration is loaded;
// what is wrong with them then is an error.
type TLS struct {
	// CA is the path of a PEM file with the authorities to trust instead of the
	// system's. A new one is read when the configuration is loaded again.
	// Placeholders are replaced.
	CA string `json:"ca,omitempty"`

	// Certificate is the path of a PEM file with our certificate, and those
	// between it and an authority that the server trusts. A renewed one is taken
	// up at the next connection. Placeholders are replaced.
	Certificate string `json:"certificate,omitempty"`

	// Key is the path of a PEM file with the certificate's private key. Required
	// with Certificate. Placeholders are replaced.
	Key string `json:"key,omitempty"`

	// ServerName is the name that the servers' certificates have to have.
	// Default: the host that is connected to. Placeholders are replaced.
	ServerName string `json:"server_name,omitempty"`
}

// check returns what is wrong with the settings of t, which may be nil.
func (t *TLS) check() error {
	if t != nil && (t.Certificate == "") != (t.Key == "") {
		return errors.New("tls certificate wants two files: the certificate and its private key")
	}
	return nil
}

// config reads the files. It returns the settings of a connection and, for the
// key of the pool, the authorities; nil and nothing if t is nil.
func (t *TLS) config() (config *tls.Config, authorities []byte, err error) {
	if t == nil {
		return nil, nil, nil
	}
	config = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		if authorities, err = os.ReadFile(t.CA); err != nil {
			return nil, nil, fmt.Errorf("reading tls ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, nil, fmt.Errorf("reading tls ca: %s has no certificate in PEM", t.CA)
		}
	}
	if t.Certificate != "" {
		c := &clientCertificate{certificate: t.Certificate, key: t.Key, warn: warnOfCertificate}
		if c.good, err = c.read(); err != nil {
			return nil, nil, err
		}
		config.GetClientCertificate = c.get
	}
	return config, authorities, nil
}

// clientCertificate is the certificate that we show a server, as it is on disk.
// Reading it for each handshake costs far less than the handshake.
type clientCertificate struct {
	certificate, key string // paths
	warn             func(path string, err error)

	mu     sync.Mutex
	good   *tls.Certificate // the last that could be read
	failed bool             // reading it failed the last time
}

// get implements [tls.Config.GetClientCertificate]. While the files cannot be
// read, or the key is that of another certificate (whoever renews them writes one
// after the other), it goes on with those that could.
func (c *clientCertificate) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.read()
	if err != nil {
		if !c.failed {
			c.warn(c.certificate, err)
		}
		c.failed = true
		return c.good, nil
	}
	c.good, c.failed = now, false
	return now, nil
}

// read reads both files. The error names the one that is wrong, as far as that
// can be told, and has nothing of what is in them.
func (c *clientCertificate) read() (*tls.Certificate, error) {
	certificate, err := os.ReadFile(c.certificate)
	if err != nil {
		return nil, fmt.Errorf("reading tls certificate: %w", err)
	}
	key, err := os.ReadFile(c.key)
	if err != nil {
		return nil, fmt.Errorf("reading the key of tls certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("reading tls certificate %s with the key %s: %w", c.certificate, c.key, err)
	}
	return &pair, nil
}

// warnOfCertificate writes to the log of the configuration that runs: the
// connections outlive the one that they were made for.
func warnOfCertificate(path string, err error) {
	caddy.Log().Named("doorward").Sugar().Warnw("a renewed client certificate cannot be read: the one before is used",
		"certificate", path, "error", err.Error())
}
