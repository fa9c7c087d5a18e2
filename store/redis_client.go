package store

import (
	"context"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// newRedisClient returns a client for servers. It does not connect.
//
// Every path to a server has a guard, which bounds what a command may take and
// keeps it from being sent twice, and, where o wants it, a confirmation.
func newRedisClient(servers redisServers, o RedisOptions) redis.UniversalClient {
	quieten()
	options := &redis.UniversalOptions{
		Addrs:      servers.addresses,
		MasterName: servers.primary,
		DB:         servers.database,
		Username:   servers.username,
		Password:   servers.password,
		TLSConfig:  o.TLS,

		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword,

		DialTimeout:           o.DialTimeout,
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		PoolTimeout:           o.PoolTimeout,
		ContextTimeoutEnabled: true,

		// One pool: a pipeline is a command and its confirmation.
		PoolSize:         o.PoolSize,
		PipelinePoolSize: -1,

		// See guard.
		MaxRetries:    -1,
		DialerRetries: 1,

		// What only managed services and dashboards want of a connection, and an
		// ACL may forbid.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch servers.topology {
	case behindSentinels:
		return supervise(redis.NewFailoverClient(options.Failover()), o, nil)
	case clustered:
		return newClusterClient(options.Cluster(), o)
	default:
		return supervise(redis.NewClient(options.Simple()), o, nil)
	}
}

// newClusterClient returns a client that finds the primary of each key, follows
// redirections, and never reads from a replica.
//
// Its own loop resends after a redirection and after whatever else might pass. The
// guards of the nodes leave it only what cannot have been carried out: that the
// key is elsewhere, that the node or the cluster is not ready.
func newClusterClient(options *redis.ClusterOptions, o RedisOptions) *redis.ClusterClient {
	var client *redis.ClusterClient
	// By itself it asks who has which keys once a minute, and when it is redirected.
	// A node that is gone redirects nobody, so it asks then as well; it does so in the
	// background, once at a time.
	ask := func() { client.ReloadState(context.Background()) }
	options.NewClient = func(node *redis.Options) *redis.Client {
		return supervise(redis.NewClient(node), o, ask)
	}
	// Nothing of ours goes to all nodes by itself.
	options.DisableRoutingPolicies = true
	client = redis.NewClusterClient(options)
	client.AddHook(guard{limit: o.limit()})
	return client
}

// supervise adds to the client of one server what stands between a command and its
// connection. gone is called when the server does not answer.
func supervise(client *redis.Client, o RedisOptions, gone func()) *redis.Client {
	client.AddHook(guard{limit: o.limit(), gone: gone})
	if o.Replicas > 0 {
		client.AddHook(confirmation{
			patient:  client.WithTimeout(o.Timeout + o.ReplicaTimeout),
			replicas: o.Replicas,
			timeout:  o.ReplicaTimeout,
		})
	}
	return client
}
