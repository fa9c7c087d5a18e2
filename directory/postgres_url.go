package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectTimeout is how long one host may take to answer a connection. It is
// short, so that the second of two hosts has its turn while a request waits.
const connectTimeout = 3 * time.Second

// readOnlyTransaction is the SQLSTATE of a server that takes no writes: it has
// become a standby, or never was anything else.
const readOnlyTransaction = "25006"

// errPostgresURL never quotes: what cannot be read is where a password hides.
var errPostgresURL = errors.New("want postgres://user:password@host:port/database?sslmode=verify-full, " +
	"with each character of the user and the password that is neither letter nor digit as %XX")

// parameters are those whose values are worth a better message than the above,
// and target_session_attrs, of which some are no use to who has to write.
var parameters = map[string][]string{
	"sslmode":                 {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
	"target_session_attrs":    {"any", "read-write", "primary"},
	"default_query_exec_mode": {"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"},
}

// parsePostgresURL returns how to connect to the server of s. Its errors hold
// nothing of s but the names of files.
func parsePostgresURL(s string) (*pgx.ConnConfig, error) {
	query, err := checkPostgresURL(s)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(s)
	var file *fs.PathError
	switch {
	case errors.As(err, &file): // of a certificate
		return nil, file
	case err != nil: // quotes the URL
		return nil, errPostgresURL
	}

	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	// A server without power is noticed although a query waits for it.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	config.DialFunc = dialer.DialContext
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "doorward"
	}
	if !query.Has("default_query_exec_mode") {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	if severalHosts(config) && config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	onError := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		// Left at once: the next connection finds the server that takes writes.
		return onError(conn, err) && err.Code != readOnlyTransaction
	}
	return config, nil
}

// checkPostgresURL refuses what could be read in two ways, and returns the
// query. Of a password with a bare @ or / in it, a part would count as the
// host or the database, and those are named in errors.
func checkPostgresURL(s string) (url.Values, error) {
	rest, ok := strings.CutPrefix(s, "postgres://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "postgresql://")
	}
	if !ok || strings.ContainsFunc(s, unicode.IsControl) { // such as the last line feed of a file
		return nil, errPostgresURL
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if n := strings.Count(rest, "@"); n > 1 || n != strings.Count(authority, "@") {
		return nil, errPostgresURL
	}
	if userinfo, _, ok := strings.Cut(authority, "@"); ok && strings.Count(userinfo, ":") > 1 {
		return nil, errPostgresURL
	}
	_, rawQuery, _ := strings.Cut(rest, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, errPostgresURL
	}
	for name, allowed := range parameters {
		for _, value := range query[name] {
			if !slices.Contains(allowed, value) {
				return nil, fmt.Errorf("%s is one of %s", name, strings.Join(allowed, ", "))
			}
		}
	}
	return query, nil
}

// severalHosts reports whether there is another host to fall back to, and not
// only the same one without TLS.
func severalHosts(config *pgx.ConnConfig) bool {
	return slices.ContainsFunc(config.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.Host != config.Host || f.Port != config.Port
	})
}
