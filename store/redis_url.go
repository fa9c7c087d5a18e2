package store

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// What is wrong with a URL. These say nothing of what is in it: an unencoded
// character is enough to make a piece of the password look like a port or a path.
var (
	errURL       = errors.New("not a URL; percent-encode special characters in the password")
	errURLScheme = errors.New("it begins with redis://, rediss:// or unix://")
	errURLHost   = errors.New("the host is missing")
	errURLPath   = errors.New("after the host there may be one number, of the database, as in redis://host:6379/0")
	errURLSocket = errors.New("the path of the socket is missing, as in unix:///run/redis.sock")
	errURLOption = errors.New("the only option is ?db=, of a unix socket, with a number")
	errTLS       = errors.New("TLS settings are given, but the Redis URL does not begin with rediss://")
)

// redisServer is what a URL says.
type redisServer struct {
	address            string // host:port, or the path of a socket
	secure             bool
	username, password string
	database           int
}

func parseRedisURL(s string) (redisServer, error) {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		return redisServer{}, errURL
	}
	server := redisServer{username: u.User.Username(), secure: u.Scheme == "rediss"}
	server.password, _ = u.User.Password()
	switch u.Scheme {
	case "redis", "rediss":
		if u.Hostname() == "" {
			return redisServer{}, errURLHost
		}
		if u.RawQuery != "" {
			return redisServer{}, errURLOption
		}
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		server.address = net.JoinHostPort(u.Hostname(), port)
		if number := strings.Trim(u.Path, "/"); number != "" {
			if server.database, err = parseDatabase(number); err != nil {
				return redisServer{}, errURLPath
			}
		}
	case "unix":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
			return redisServer{}, errURLSocket
		}
		server.address = u.Path
		options, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			return redisServer{}, errURLOption
		}
		for name, values := range options {
			if name != "db" || len(values) != 1 {
				return redisServer{}, errURLOption
			}
			if server.database, err = parseDatabase(values[0]); err != nil {
				return redisServer{}, errURLOption
			}
		}
	default:
		return redisServer{}, errURLScheme
	}
	return server, nil
}

func parseDatabase(number string) (int, error) {
	n, err := strconv.ParseUint(number, 10, 31)
	return int(n), err
}

// tlsConfig returns the settings of the connection, nil for one without TLS.
// Settings that would be without effect are an error: someone thinks that the
// connection is encrypted.
func (s redisServer) tlsConfig(base *tls.Config) (*tls.Config, error) {
	if !s.secure {
		if base != nil {
			return nil, errTLS
		}
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		config = base.Clone()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(s.address)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	return config, nil
}
