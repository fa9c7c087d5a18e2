package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// A guard sees to it that a command is sent once, and that it takes no longer than
// limit. It is a hook of the Redis client.
//
// A Take whose answer was lost has taken. Sent again it would answer that there
// was nothing, and a Count would count twice. The client of a cluster resends by
// itself what it takes for a passing fault, and a lost connection is one to it. So
// the guard hides every fault of a connection from it, and leaves it the answers of
// servers. Those that it resends after are refusals, given before anything was
// done: MOVED, ASK, TRYAGAIN, CLUSTERDOWN, MASTERDOWN, LOADING, READONLY,
// NOREPLICAS, too many clients. The scripts write before they do anything else that
// can be refused, so that holds for them too.
type guard struct {
	limit time.Duration
	gone  func() // called when a server does not answer, or says that its cluster is down; may be nil
}

// DialHook implements [redis.Hook].
func (g guard) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (g guard) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, cancel := context.WithTimeout(ctx, g.limit)
		defer cancel()
		return g.final(next(ctx, cmd))
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (g guard) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, cancel := context.WithTimeout(ctx, g.limit)
		defer cancel()
		return g.final(next(ctx, cmds))
	}
}

// final returns err such that nothing is sent again unless it may be.
func (g guard) final(err error) error {
	_, hidden := errors.AsType[unanswered](err)
	if err == nil || hidden || err == redis.ErrClosed { // closed: a node that was dropped, before it was sent anything
		return err
	}
	_, answered := errors.AsType[redis.Error](err)
	// A node whose cluster is down may be in the smaller half of it, and what we want
	// in the other.
	if g.gone != nil && (!answered || redis.IsClusterDownError(err)) {
		g.gone()
	}
	if answered {
		return err
	}
	return unanswered{err}
}

// unanswered is the fault that left a command without an answer. It does not
// unwrap, so that the Redis client sees an error like any other; redisFailed looks
// inside.
type unanswered struct{ cause error }

func (u unanswered) Error() string { return u.cause.Error() }

var _ redis.Hook = guard{}
