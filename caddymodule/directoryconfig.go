package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/doorward/doorward/directory"
)

// Directory says where what lasts is kept. Everything but the URL is for
// PostgreSQL.
type Directory struct {
	// URL is embedded (default), a file on this machine, embedded:/path/to/file,
	// or a PostgreSQL that several nodes share:
	//
	//	postgres://user:password@host:5432/database?sslmode=verify-full
	//
	// TLS is said as libpq has it, by sslmode, sslrootcert, sslcert and sslkey;
	// without sslmode=verify-full nobody checks who the server is. Of several
	// hosts, separated by commas, the first that takes writes is used.
	// Placeholders such as {env.POSTGRES_PASSWORD} are replaced.
	URL string `json:"url,omitempty"`

	// User is for a URL without one. Placeholders are replaced.
	User string `json:"user,omitempty"`

	// Password is for a URL without one: here it needs no percent-encoding.
	// Placeholders are replaced.
	Password string `json:"password,omitempty"`

	// MaxConnections is how many connections this node may open at once, 1 to
	// 1000; those of all nodes have to fit into the server's max_connections.
	// Default: 16.
	MaxConnections int `json:"max_connections,omitempty"`
}

var postgresSchemes = []string{"postgres", "postgresql"}

var (
	errDirectoryURL        = errors.New("want embedded, embedded:/path/to/file, or a PostgreSQL URL: postgres://user:password@host/database")
	errDirectoryRedis      = errors.New("what lasts is kept embedded or in PostgreSQL; Redis is for what expires (store redis://...)")
	errDirectoryEmbedded   = errors.New("an embedded directory has no options: they are for PostgreSQL")
	errDirectoryParameters = errors.New("what follows the ? of the URL cannot be read: percent-encode special characters")
)

// validate returns what is wrong with the directory, as [Store.validate] does.
func (d *Directory) validate() error {
	err := d.check()
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}

func (d *Directory) check() error {
	switch {
	case d.MaxConnections < 0 || d.MaxConnections > 1000:
		return fmt.Errorf("max_connections must be between 1 and 1000, not %d", d.MaxConnections)
	case schemeOf(d.URL) == "":
		return nil
	case schemeOf(d.URL) == "embedded":
		if *d != (Directory{URL: d.URL}) {
			return errDirectoryEmbedded
		}
		return nil
	case isURLOf(d.URL, redisSchemes...):
		return errDirectoryRedis
	case !isURLOf(d.URL, postgresSchemes...):
		return errDirectoryURL
	case !settled(d.URL):
		return nil
	}
	merged, err := withLogin(outline(d.URL), d.User, d.Password)
	if err != nil {
		return err
	}
	return d.checkParameters(merged)
}

// checkParameters refuses a user or a password that the URL has a second time,
// as a parameter, which would win unseen.
func (d *Directory) checkParameters(where string) error {
	_, query, _ := strings.Cut(where, "?")
	parameters, err := url.ParseQuery(query)
	switch {
	case err != nil:
		return errDirectoryParameters
	case d.User != "" && parameters.Has("user"):
		return errTwoUsers
	case d.Password != "" && parameters.Has("password"):
		return errTwoPasswords
	}
	return nil
}

// resolved returns the directory with its placeholders replaced. d may be nil,
// for the default.
func (d *Directory) resolved() (Directory, error) {
	if d == nil {
		return Directory{}, nil
	}
	r := *d
	if err := replaceAll("directory", &r.URL, &r.User, &r.Password); err != nil {
		return Directory{}, err
	}
	return r, r.validate()
}

// postgres returns the options of a resolved directory in PostgreSQL, and what
// identifies its connections: all options, and what is in the files that the URL
// names, which are read once.
func (d Directory) postgres() (o directory.PostgresOptions, where string, err error) {
	merged, err := withLogin(d.URL, d.User, d.Password)
	if err != nil {
		return directory.PostgresOptions{}, "", err
	}
	var files []string
	_, query, _ := strings.Cut(merged, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return directory.PostgresOptions{}, "", errDirectoryParameters
	}
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
		// A file that cannot be read is an error for whoever wants what is in it.
		content, _ := os.ReadFile(parameters.Get(name))
		files = append(files, string(content))
	}
	return directory.PostgresOptions{URL: merged, MaxConnections: d.MaxConnections}, fingerprint(d, files), nil
}
