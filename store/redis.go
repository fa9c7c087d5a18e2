package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// How long a request waits for Redis. Each bounds one step; a context with an
// earlier deadline ends the whole of it sooner. A context that is cancelled
// while a command is on its way gives up no later than these do.
const (
	dialTimeout = 2 * time.Second
	ioTimeout   = time.Second // to write a command, and to read its answer
	poolTimeout = time.Second // to get a connection while all are busy
)

// errNoGetDel is what Open returns for a server that cannot take a value in one
// step.
var errNoGetDel = errors.New("the server has no GETDEL command: Redis 6.2 or later is needed")

// RedisOptions say how to reach Redis.
type RedisOptions struct {
	// URL of the server, in one of these forms:
	//
	//	redis://user:password@host:6379/0
	//	rediss://user:password@host:6379/0      (TLS)
	//	unix://user:password@/path/to/redis.sock?db=0
	//
	// User, password, port (6379) and database (0) may be left out. Characters
	// that mean something in a URL are percent-encoded in the password.
	URL string

	// Prefix of every key and channel, so that several may share a database. The
	// default is "doorward:".
	Prefix string

	// TLS is for a rediss URL: client certificates, other roots. The default
	// trusts the roots of the system. The name in the certificate is the host of
	// the URL unless ServerName says otherwise.
	TLS *tls.Config

	// PoolSize is how many connections may be open at once, subscriptions apart.
	// The default is ten for each processor.
	PoolSize int
}

// Redis is a Store in a Redis server, 6.2 or later, shared by any number of
// nodes. Times are the server's, so the nodes need not agree on theirs.
//
// Every command touches one key, which makes it right in a cluster too.
//
// It is as durable as the server is set up to be. A crash loses what was written
// since the last snapshot, or about a second with appendonly; a failover loses
// what the replica had not received. The memory policy has to be noeviction, or
// Redis may sign people out, and forget counters, to make room.
//
// A restricted ACL user needs the keys and channels of the prefix and the
// commands ping, set, get, getdel, del, zrem, eval, evalsha, publish, subscribe,
// those of the scripts (hincrby, pexpire, pexpireat, time, zadd,
// zremrangebyscore, zrange, zrangebyscore), and select if the database is not 0.
type Redis struct {
	client     redis.UniversalClient
	prefix     string
	background *background
	close      func() error
}

// NewRedis returns a store for the server that o describes. It does not connect:
// each connection is made when it is needed, and made again when it is lost.
//
// The error for a URL that is wrong does not contain the URL.
func NewRedis(o RedisOptions) (*Redis, error) {
	server, err := parseRedisURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the Redis URL: %w", err)
	}
	secure, err := server.tlsConfig(o.TLS)
	if err != nil {
		return nil, err
	}
	if o.Prefix == "" {
		o.Prefix = "doorward:"
	}
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:     []string{server.address},
		DB:        server.database,
		Username:  server.username,
		Password:  server.password,
		TLSConfig: secure,
		PoolSize:  o.PoolSize,

		DialTimeout:           dialTimeout,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		PoolTimeout:           poolTimeout,
		ContextTimeoutEnabled: true,

		// Never send a command twice. If the answer to a Take was lost, the second
		// one would say that there was nothing; a second Count would count twice.
		MaxRetries:    -1,
		DialerRetries: 1,

		// What only managed services and dashboards want of a connection, and an
		// ACL may forbid.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return &Redis{
		client:     client,
		prefix:     o.Prefix,
		background: newBackground(),
		close:      sync.OnceValue(client.Close),
	}, nil
}

// Open connects, and checks that the server can do what the store needs of it:
// that it accepts writes, and knows GETDEL.
func (r *Redis) Open(ctx context.Context) error {
	// Asking is better than comparing version numbers, which forks of Redis count
	// on their own, and INFO may be forbidden. The name is nobody's key.
	err := r.client.GetDel(ctx, r.prefix+"open").Err()
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return nil
	case isUnknownCommand(err):
		return errNoGetDel
	}
	return redisFailed("checking the Redis server", err)
}

// Ping implements [Store].
func (r *Redis) Ping(ctx context.Context) error {
	return redisFailed("reaching Redis", r.client.Ping(ctx).Err())
}

// Close implements [Store].
func (r *Redis) Close() error {
	r.background.close()
	if err := r.close(); err != nil {
		return fmt.Errorf("closing the connections to Redis: %w", err)
	}
	return nil
}

// The names in Redis. Keys, sets and topics never meet.
func (r *Redis) key(key string) string     { return r.prefix + "key:" + key }
func (r *Redis) set(set string) string     { return r.prefix + "set:" + set }
func (r *Redis) topic(topic string) string { return r.prefix + "topic:" + topic }

// redisFailed says what was being done when err happened. Only the nil reply is
// an answer; a server that is loading, full, a replica, or silent is a failure.
func redisFailed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redis.Nil):
		return ErrNotFound
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		err = errMixed
	case isUnknownCommand(err):
		// Redis repeats the arguments: the key, the value.
		err = errors.New("the server does not know the command")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func isUnknownCommand(err error) bool { return redis.HasErrorPrefix(err, "unknown command") }

var _ Store = (*Redis)(nil)
