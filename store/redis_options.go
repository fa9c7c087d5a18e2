package store

import (
	"crypto/tls"
	"errors"
	"runtime"
	"time"
)

// What is wrong with options. Those about the URL stand beside its parser.
var (
	errNegative       = errors.New("PoolSize, Replicas and the time-outs must not be negative")
	errSentinelUser   = errors.New("a sentinel user name or password is given, but the Redis URL does not begin with redis+sentinel:// or rediss+sentinel://")
	errSentinelPass   = errors.New("a sentinel user name is given without a password")
	errReplicas       = errors.New("ReplicaTimeout is given, but Replicas is 0: nobody is waited for")
	errReplicaTimeout = errors.New("ReplicaTimeout must be a millisecond or more")
)

// RedisOptions say how to reach Redis.
type RedisOptions struct {
	// URL of the servers, in one of these forms:
	//
	//	redis://user:password@host:6379/0
	//	unix://user:password@/path/to/redis.sock?db=0
	//	redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/primary/0
	//	redis+cluster://user:password@host1:6379,host2:6379,host3:6379
	//
	// With rediss in place of redis the connections use TLS, to every server and
	// every sentinel.
	//
	// User, password, port (6379, of a sentinel 26379) and database (0) may be left
	// out. Characters that mean something in a URL are percent-encoded in the
	// password. User and password are those of the data servers, which all have the
	// same.
	//
	// The hosts of a sentinel URL are sentinels, and "primary" is the name that they
	// know the primary by. The hosts of a cluster URL are some of its nodes. One that
	// answers is enough to find the others; the addresses that it gives have to be
	// reachable from here.
	URL string

	// Prefix of every key and channel, so that several may share a database. The
	// default is "doorward:".
	Prefix string

	// TLS is for a rediss URL: client certificates, other roots. The default
	// trusts the roots of the system. The name in a certificate is the host that is
	// connected to, unless ServerName says otherwise. Sentinels and clusters name
	// their servers by address if they are not told to announce host names, and then
	// the addresses have to be in the certificates.
	TLS *tls.Config

	// SentinelUsername and SentinelPassword are for sentinels that want their own.
	// The default is none: the password of the URL is not sent to them.
	SentinelUsername, SentinelPassword string

	// PoolSize is how many connections may be open at once, subscriptions apart; in
	// a cluster, to each server. The default is ten for each processor.
	PoolSize int

	// How long a request waits for Redis: DialTimeout for a connection to be made
	// (default 2s), Timeout for a command to be written, and as long again for its
	// answer (default 1s), PoolTimeout for a connection to come free while all are
	// busy (default 1s). No operation takes longer than DialTimeout, Timeout,
	// PoolTimeout and, where replicas confirm it, ReplicaTimeout together, however
	// many others are waiting. A context with an earlier deadline ends it sooner. One
	// that is cancelled while a command is on its way gives up no later than these
	// do.
	DialTimeout, Timeout, PoolTimeout time.Duration

	// Replicas is how many replicas have to confirm a change before it counts as
	// done. The default is 0: the primary's word is enough, and what it had not yet
	// passed on is lost with it. See [Redis] for what confirmation promises and
	// costs: with all replicas here nothing comes back that was taken, and the loss
	// of one replica stops all sign-ins.
	Replicas int

	// ReplicaTimeout is how long the replicas have for it (default 500ms). It is
	// counted in milliseconds.
	ReplicaTimeout time.Duration
}

// withDefaults returns o with its defaults filled in, or says what is wrong.
func (o RedisOptions) withDefaults(servers redisServers) (RedisOptions, error) {
	switch {
	case min(o.PoolSize, o.Replicas) < 0, min(o.DialTimeout, o.Timeout, o.PoolTimeout, o.ReplicaTimeout) < 0:
		return o, errNegative
	case o.TLS != nil && !servers.secure:
		// Someone thinks that the connections are encrypted.
		return o, errTLS
	case (o.SentinelUsername != "" || o.SentinelPassword != "") && servers.topology != behindSentinels:
		return o, errSentinelUser
	case o.SentinelUsername != "" && o.SentinelPassword == "":
		return o, errSentinelPass
	case o.ReplicaTimeout != 0 && o.Replicas == 0:
		return o, errReplicas
	case o.ReplicaTimeout != 0 && o.ReplicaTimeout < time.Millisecond:
		return o, errReplicaTimeout // WAIT takes 0 for "for ever"
	}
	setDefault(&o.Prefix, "doorward:")
	setDefault(&o.PoolSize, 10*runtime.GOMAXPROCS(0))
	setDefault(&o.DialTimeout, 2*time.Second)
	setDefault(&o.Timeout, time.Second)
	setDefault(&o.PoolTimeout, time.Second)
	if o.Replicas > 0 {
		setDefault(&o.ReplicaTimeout, 500*time.Millisecond)
	}
	if servers.secure {
		if o.TLS == nil {
			o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		o.TLS = o.TLS.Clone()
	}
	return o, nil
}

// limit is how long one operation may take.
func (o RedisOptions) limit() time.Duration {
	return o.DialTimeout + o.PoolTimeout + o.Timeout + o.ReplicaTimeout
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
