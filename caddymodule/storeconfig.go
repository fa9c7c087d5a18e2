package caddymodule

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/store"
)

// Store says where what expires is kept. Everything but the URL is for Redis.
type Store struct {
	// URL is embedded (default), a file on this machine, embedded:/path/to/file,
	// or a Redis that several nodes share:
	//
	//	redis://user:password@host:6379/0
	//	unix://user:password@/path/to/redis.sock?db=0
	//	redis+sentinel://user:password@sentinel1:26379,sentinel2:26379/master/0
	//	redis+cluster://user:password@host1:6379,host2:6379
	//
	// rediss, rediss+sentinel and rediss+cluster are the same with TLS. User,
	// password, ports and the number of the database may be left out. With
	// Sentinel, user and password are those of the data servers. Placeholders
	// such as {env.REDIS_PASSWORD} are replaced.
	URL string `json:"url,omitempty"`

	// User is the ACL user, for a URL without one. Placeholders are replaced.
	User string `json:"user,omitempty"`

	// Password is for a URL without one: here it needs no percent-encoding.
	// Placeholders are replaced.
	Password string `json:"password,omitempty"`

	// Prefix of every key and channel, for a Redis that others use too. Default:
	// doorward:.
	Prefix string `json:"prefix,omitempty"`

	// SentinelUser is the ACL user of the sentinels, where they have one of their
	// own. Placeholders are replaced.
	SentinelUser string `json:"sentinel_user,omitempty"`

	// SentinelPassword is the password of the sentinels, where they ask for one.
	// Placeholders are replaced.
	SentinelPassword string `json:"sentinel_password,omitempty"`

	// TLS says whom to trust and who we are, for a URL with TLS. Default: the
	// system's authorities, and no certificate of our own.
	TLS *TLS `json:"tls,omitempty"`

	// PoolSize is how many connections may be open at once, to each server of a
	// cluster. Default: ten for each processor.
	PoolSize int `json:"pool_size,omitempty"`

	// DialTimeout is how long it may take to connect, at most 30s. Default: 2s.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`

	// Timeout is how long it may take to send a command, and to get its answer,
	// at most 30s. Default: 1s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// PoolTimeout is how long a request waits for a connection while all are
	// busy, at most 30s. Default: 1s.
	PoolTimeout caddy.Duration `json:"pool_timeout,omitempty"`

	// Wait says how many replicas have to confirm a change. Default: none.
	Wait *Wait `json:"wait,omitempty"`
}

// Wait has replicas confirm each change (Redis's WAIT) before it counts as done, so
// that a failover brings back no passcode that was used up, no attempt that was
// counted, no session that was ended. Each change waits for the replicas. While
// fewer than wanted answer, nobody can sign in, and soon nobody passes: have one
// more than are waited for.
type Wait struct {
	// Replicas that have to confirm, 1 to 10.
	Replicas int `json:"replicas,omitempty"`

	// Timeout is how long they may take, at most 10s. Default: 500ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

// The schemes of Redis URLs, without and with TLS.
var (
	redisSchemes       = []string{"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"}
	redisSecureSchemes = []string{"rediss", "rediss+sentinel", "rediss+cluster"}
	sentinelSchemes    = []string{"redis+sentinel", "rediss+sentinel"}
)

var (
	errStoreURL      = errors.New("want embedded, embedded:/path/to/file, or a Redis URL: redis://, rediss:// or unix://, redis+sentinel://, redis+cluster://, or with TLS rediss+sentinel://, rediss+cluster://")
	errStorePostgres = errors.New("PostgreSQL is for the directory: directory postgres://...; what expires is kept embedded or in Redis")
	errStoreEmbedded = errors.New("an embedded store has no options: they are for Redis")
	errStoreTLS      = errors.New("tls is for a URL that begins with rediss://, rediss+sentinel:// or rediss+cluster://; this connection would not be encrypted")
	errStoreSentinel = errors.New("sentinel_user and sentinel_password are for a URL that begins with redis+sentinel:// or rediss+sentinel://")
)

// validate returns what is wrong with the store, as far as it can be known: the
// Caddyfile's parser asks while placeholders stand for what they stand for, and
// provisionStore when they are replaced.
func (s *Store) validate() error {
	err := s.check()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func (s *Store) check() error {
	if s.PoolSize < 0 || s.PoolSize > 10000 {
		return fmt.Errorf("pool_size must be between 1 and 10000, not %d", s.PoolSize)
	}
	for _, d := range []struct {
		name  string
		value caddy.Duration
	}{{"dial_timeout", s.DialTimeout}, {"timeout", s.Timeout}, {"pool_timeout", s.PoolTimeout}} {
		if err := within(d.name, d.value, 30*time.Second); err != nil {
			return err
		}
	}
	if s.Wait != nil {
		if s.Wait.Replicas < 1 || s.Wait.Replicas > 10 {
			return fmt.Errorf("wait wants the number of replicas that have to confirm, between 1 and 10, not %d", s.Wait.Replicas)
		}
		if err := within("the time-out of wait", s.Wait.Timeout, 10*time.Second); err != nil {
			return err
		}
	}
	if err := s.TLS.check(); err != nil {
		return err
	}
	if schemeOf(s.URL) == "" {
		return nil
	}
	return s.checkURL()
}

// within returns what is wrong with a time-out that may be 0, for the default.
// Less than 10ms would fail at any server that is busy.
func within(name string, d caddy.Duration, most time.Duration) error {
	if v := time.Duration(d); v != 0 && (v < 10*time.Millisecond || v > most) {
		return fmt.Errorf("%s must be between 10ms and %v, not %v", name, most, v)
	}
	return nil
}

// checkURL returns what is wrong with a URL whose scheme is known, or with
// options that do not go with it.
func (s *Store) checkURL() error {
	switch {
	case schemeOf(s.URL) == "embedded":
		if *s != (Store{URL: s.URL}) {
			return errStoreEmbedded
		}
		return nil
	case isURLOf(s.URL, postgresSchemes...):
		return errStorePostgres
	case !isURLOf(s.URL, redisSchemes...):
		return errStoreURL
	case s.TLS != nil && !isURLOf(s.URL, redisSecureSchemes...):
		return errStoreTLS
	case s.SentinelUser+s.SentinelPassword != "" && !isURLOf(s.URL, sentinelSchemes...):
		return errStoreSentinel
	case !settled(s.URL):
		return nil
	}
	merged, err := withLogin(outline(s.URL), s.User, s.Password)
	if err != nil {
		return err
	}
	return s.probe(merged)
}

// probe has the store read a URL. Nothing is connected.
func (s *Store) probe(where string) error {
	probe, err := store.NewRedis(store.RedisOptions{URL: where})
	if err != nil {
		return err
	}
	return probe.Close()
}

// whole returns what is missing once all options are known. Redis is told who we
// are together with the password, or not at all: without one we would be the
// default user, who may be allowed more.
func (s *Store) whole() error {
	if s.SentinelUser != "" && s.SentinelPassword == "" {
		return errors.New("store: sentinel_user wants sentinel_password")
	}
	if s.Password != "" || schemeOf(s.URL) == "embedded" || outline(s.URL) != s.URL {
		return nil // a placeholder may be for both
	}
	_, in, _, err := cutLogin(s.URL)
	if err == nil && s.User+in.user != "" && in.password == "" {
		return errors.New("store: the user wants a password")
	}
	return err
}

// resolved returns the store with its placeholders replaced, and nothing left to
// find out but what the files of TLS have. s may be nil, for the default.
func (s *Store) resolved() (Store, error) {
	if s == nil {
		return Store{}, nil
	}
	r, files := *s, TLS{}
	if s.TLS != nil {
		files = *s.TLS
		r.TLS = &files
	}
	err := replaceAll("store", &r.URL, &r.User, &r.Password, &r.Prefix, &r.SentinelUser, &r.SentinelPassword,
		&files.CA, &files.Certificate, &files.Key, &files.ServerName)
	if err != nil {
		return Store{}, err
	}
	if err := r.validate(); err != nil {
		return Store{}, err
	}
	return r, r.whole()
}

// redis returns the options of a resolved store in Redis, and what identifies its
// connections: all options, and the authorities as they are now. The client
// certificate is read at each handshake, so its content is no part of it.
func (s Store) redis() (o store.RedisOptions, where string, err error) {
	merged, err := withLogin(s.URL, s.User, s.Password)
	if err != nil {
		return store.RedisOptions{}, "", err
	}
	secure, authorities, err := s.TLS.config()
	if err != nil {
		return store.RedisOptions{}, "", err
	}
	var (
		flat  = s
		files TLS
		wait  Wait
	)
	flat.TLS, flat.Wait = nil, nil
	if s.TLS != nil {
		files = *s.TLS
	}
	if s.Wait != nil {
		wait = *s.Wait
	}
	return store.RedisOptions{
		URL:              merged,
		Prefix:           s.Prefix,
		TLS:              secure,
		SentinelUsername: s.SentinelUser,
		SentinelPassword: s.SentinelPassword,
		PoolSize:         s.PoolSize,
		DialTimeout:      time.Duration(s.DialTimeout),
		Timeout:          time.Duration(s.Timeout),
		PoolTimeout:      time.Duration(s.PoolTimeout),
		Replicas:         wait.Replicas,
		ReplicaTimeout:   time.Duration(wait.Timeout),
	}, fingerprint(flat, files, wait, string(authorities)), nil
}
