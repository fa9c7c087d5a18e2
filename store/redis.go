package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// errNoGetDel is what Open returns for a server that cannot take a value in one
	// step.
	errNoGetDel = errors.New("the server has no GETDEL command: Redis 6.2 or later is needed")

	// errInCluster is what Open returns for a node of a cluster that was taken for a
	// server of its own.
	errInCluster = errors.New("the server belongs to a cluster: the URL has to begin with redis+cluster:// or rediss+cluster://")
)

// Redis is a Store in Redis, 6.2 or later, shared by any number of nodes: one
// server, a primary that sentinels watch over, or a cluster. Times are the server's,
// so the nodes need not agree on theirs.
//
// Every command touches one key, which makes it right in a cluster too. Nothing is
// read from a replica. A command is sent once: if its answer is lost, it fails. What
// a server refuses because the key is elsewhere, or because it is not ready, is sent
// again within a cluster, as nothing was done.
//
// # Failover
//
// With sentinels or in a cluster, operations fail while a primary is gone, and go on
// by themselves within a few seconds of another having taken its place. A server
// that is no longer the primary refuses changes, and its connections are replaced by
// ones to the new primary. Messages that are published meanwhile may not arrive;
// subscriptions are made again.
//
// Redis is as durable as it is set up to be. A crash loses what was written since
// the last snapshot, or about a second with appendonly. A failover loses what the
// new primary had not received, and so does an old one that was cut off from the
// others and took changes until it noticed: a value that was taken may then be there
// again. Two settings bound this. With min-replicas-to-write on the servers, a
// primary without replicas refuses changes after min-replicas-max-lag seconds. With
// Replicas in the options no change counts as done before that many replicas have
// it, down to Take, which hands out no value before. What that promises:
//
//   - Where Replicas is the number of all replicas, of each primary in a cluster, a
//     change that succeeded survives every failover. A value is taken at most once,
//     a key created by one, and no count is the answer twice.
//   - Where there are more replicas than that, it survives the death of a primary,
//     because sentinels and clusters prefer the replica that has received most. It
//     may not survive a failover from a primary that is alive and keeps a replica to
//     itself: behind the same cut in the network, or for a moment when somebody
//     tells the sentinels to fail over.
//   - A change that failed may have been made, and then be undone.
//   - It is about memory: all servers losing power at once is for appendonly to
//     survive.
//
// What it costs: every change waits for the slowest of the replicas it needs, about
// one round trip between the servers. And while fewer are there, every change fails
// after ReplicaTimeout: the loss of one replica too many stops all sign-ins, and
// soon all requests, as surely as the loss of the primary would.
//
// The memory policy has to be noeviction, or Redis may sign people out, and forget
// counters, to make room.
//
// # Access control
//
// A restricted ACL user needs the keys and channels of the prefix and the commands
// ping, set, get, getdel, del, zrem, eval, evalsha, publish, subscribe, those of the
// scripts (hincrby, pexpire, pexpireat, time, zadd, zremrangebyscore, zrange,
// zrangebyscore), select if the database is not 0, wait if Replicas is not, and in a
// cluster cluster|slots and asking. At the sentinels a user needs ping, subscribe,
// sentinel|get-master-addr-by-name, sentinel|sentinels and the channels
// +switch-master and +replica-reconf-done.
type Redis struct {
	client     redis.UniversalClient
	prefix     string
	limit      time.Duration // of one operation
	timeout    time.Duration // of one answer
	background *background
	close      func() error
}

// NewRedis returns a store for the servers that o describes. It does not connect:
// each connection is made when it is needed, and made again when it is lost.
//
// The error for a URL that is wrong does not contain the URL.
func NewRedis(o RedisOptions) (*Redis, error) {
	servers, err := parseRedisURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the Redis URL: %w", err)
	}
	if o, err = o.withDefaults(servers); err != nil {
		return nil, err
	}
	client := newRedisClient(servers, o)
	return &Redis{
		client:     client,
		prefix:     o.Prefix,
		limit:      o.limit(),
		timeout:    o.Timeout,
		background: newBackground(),
		close:      sync.OnceValue(client.Close),
	}, nil
}

// Open connects, and checks that every primary can do what the store needs of it:
// that it accepts changes, has as many replicas as are to confirm them, and knows
// GETDEL.
func (r *Redis) Open(ctx context.Context) error {
	// Asking is better than comparing version numbers, which forks of Redis count
	// on their own, and INFO may be forbidden. The name is nobody's key.
	probe := r.prefix + "open"
	_, isCluster := r.client.(*redis.ClusterClient)
	err := r.eachPrimary(ctx, func(ctx context.Context, primary redis.Cmdable) error {
		err := primary.GetDel(ctx, probe).Err()
		_, elsewhere := redis.IsMovedError(err)
		switch {
		case elsewhere && !isCluster:
			return errInCluster
		case elsewhere, errors.Is(err, redis.Nil):
			return nil // a server that says where the key is knows the command
		}
		return err
	})
	if err == nil && isCluster {
		// Each may be well, and part of the keys be nowhere.
		err = r.client.GetDel(ctx, probe).Err()
	}
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return nil
	case isUnknownCommand(err):
		return errNoGetDel
	}
	return redisFailed("checking the Redis server", err)
}

// Ping implements [Store]. In a cluster, every primary has to answer, and every key
// to be somewhere.
func (r *Redis) Ping(ctx context.Context) error {
	err := r.eachPrimary(ctx, func(ctx context.Context, primary redis.Cmdable) error {
		return primary.Ping(ctx).Err()
	})
	if _, ok := r.client.(*redis.ClusterClient); ok && err == nil {
		if err = r.client.Get(ctx, r.prefix+"open").Err(); errors.Is(err, redis.Nil) {
			err = nil
		}
	}
	return redisFailed("reaching Redis", err)
}

// eachPrimary calls f with each server that takes changes, and returns the first
// error.
func (r *Redis) eachPrimary(ctx context.Context, f func(context.Context, redis.Cmdable) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	if cluster, ok := r.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, primary *redis.Client) error {
			return f(ctx, primary)
		})
	}
	return f(ctx, r.client)
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
	if fault, ok := errors.AsType[unanswered](err); ok {
		err = fault.cause
	}
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
