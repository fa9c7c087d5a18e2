package store

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// What is wrong with a URL. These say nothing of what is in it: an unencoded
// character is enough to make a piece of the password look like a port or a path.
var (
	errURL         = errors.New("not a URL; percent-encode special characters in the password")
	errURLScheme   = errors.New("it begins with redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://")
	errURLHost     = errors.New("the host is missing")
	errURLHosts    = errors.New("several hosts want redis+sentinel:// or redis+cluster://")
	errURLPath     = errors.New("after the host there may be one number, of the database, as in redis://host:6379/0")
	errURLSocket   = errors.New("the path of the socket is missing, as in unix:///run/redis.sock")
	errURLOption   = errors.New("the only option is ?db=, of a unix socket, with a number")
	errURLPrimary  = errors.New("after the sentinels there is the name of their primary, and perhaps the number of a database, as in redis+sentinel://host:26379/mymaster/0")
	errURLDatabase = errors.New("nothing follows the hosts of a cluster: it has no database numbers")
	errTLS         = errors.New("TLS settings are given, but the Redis URL does not begin with rediss")
)

// A topology is how the servers of a URL stand to each other.
type topology int

const (
	alone           topology = iota // one server
	behindSentinels                 // a primary and its replicas; sentinels say who is who
	clustered                       // several primaries, each with a part of the keys
)

// redisServers is what a URL says.
type redisServers struct {
	topology           topology
	addresses          []string // host:port of the server, the sentinels or the nodes; or the path of a socket
	primary            string   // name of the primary, for the sentinels
	secure             bool
	username, password string
	database           int
}

func parseRedisURL(s string) (redisServers, error) {
	var hosts []*url.URL
	for _, one := range splitHosts(s) {
		u, err := url.Parse(one)
		if err != nil || u.Opaque != "" || u.Fragment != "" {
			return redisServers{}, errURL
		}
		hosts = append(hosts, u)
	}
	u := hosts[0]
	servers := redisServers{username: u.User.Username()}
	servers.password, _ = u.User.Password()
	if u.Scheme == "unix" {
		return servers, servers.parseSocket(u)
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	servers.secure = scheme == "rediss"
	if scheme != "redis" && scheme != "rediss" || strings.HasSuffix(u.Scheme, "+") {
		return redisServers{}, errURLScheme
	}
	port, parsePath := "6379", servers.parseDatabase
	switch kind {
	case "":
		if len(hosts) > 1 {
			return redisServers{}, errURLHosts
		}
	case "sentinel":
		servers.topology, port, parsePath = behindSentinels, "26379", servers.parsePrimary
	case "cluster":
		servers.topology, parsePath = clustered, noDatabase
	default:
		return redisServers{}, errURLScheme
	}
	if err := servers.parseAddresses(hosts, port); err != nil {
		return redisServers{}, err
	}
	if u.RawQuery != "" {
		return redisServers{}, errURLOption
	}
	if err := parsePath(strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")); err != nil {
		return redisServers{}, err
	}
	return servers, nil
}

// splitHosts returns the URL s once for each of its hosts, which commas part:
// package url knows no lists.
func splitHosts(s string) []string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return []string{s}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	hosts := strings.LastIndex(rest[:end], "@") + 1
	var urls []string
	for host := range strings.SplitSeq(rest[hosts:end], ",") {
		urls = append(urls, scheme+"://"+rest[:hosts]+host+rest[end:])
	}
	return urls
}

func (s *redisServers) parseAddresses(hosts []*url.URL, port string) error {
	for _, u := range hosts {
		if u.Hostname() == "" {
			return errURLHost
		}
		if p := u.Port(); p != "" {
			s.addresses = append(s.addresses, net.JoinHostPort(u.Hostname(), p))
		} else {
			s.addresses = append(s.addresses, net.JoinHostPort(u.Hostname(), port))
		}
	}
	return nil
}

func (s *redisServers) parseDatabase(path string) (err error) {
	if path == "" {
		return nil
	}
	if s.database, err = parseNumber(path); err != nil {
		return errURLPath
	}
	return nil
}

func (s *redisServers) parsePrimary(path string) (err error) {
	name, database, given := strings.Cut(path, "/")
	if name == "" {
		return errURLPrimary
	}
	s.primary = name
	if !given {
		return nil
	}
	if s.database, err = parseNumber(database); err != nil {
		return errURLPrimary
	}
	return nil
}

func noDatabase(path string) error {
	if path != "" {
		return errURLDatabase
	}
	return nil
}

func (s *redisServers) parseSocket(u *url.URL) error {
	if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
		return errURLSocket
	}
	s.addresses = []string{u.Path}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errURLOption
	}
	for name, values := range options {
		if name != "db" || len(values) != 1 {
			return errURLOption
		}
		if s.database, err = parseNumber(values[0]); err != nil {
			return errURLOption
		}
	}
	return nil
}

func parseNumber(number string) (int, error) {
	n, err := strconv.ParseUint(number, 10, 31)
	return int(n), err
}
