package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// errUnconfirmed is what a change fails with that too few replicas have confirmed
// in time. It has been made, and may be undone by a failover.
var errUnconfirmed = errors.New("too few replicas have confirmed it")

// A confirmation lets replicas confirm each change before it counts as done. It is
// a hook of the Redis client.
//
// WAIT answers how many replicas have received all that its own connection wrote.
// It is sent right behind the command, so that it costs no round trip of ours, and
// to whichever server the command went to.
type confirmation struct {
	patient  *redis.Client // the same server, with time for the replicas in its time-outs
	replicas int
	timeout  time.Duration
}

// DialHook implements [redis.Hook].
func (c confirmation) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (c confirmation) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !changes(cmd) {
			return next(ctx, cmd)
		}
		return c.confirm(ctx, cmd)
	}
}

// ProcessPipelineHook implements [redis.Hook]. The pipelines that reach it are what
// opens a connection, ASKING with the command that was sent here, and changes that
// travel together, of which a server may refuse some.
func (c confirmation) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if changes(cmd) {
				return c.confirm(ctx, cmds...)
			}
		}
		return next(ctx, cmds)
	}
}

// confirm sends cmds, and WAIT after them.
func (c confirmation) confirm(ctx context.Context, cmds ...redis.Cmder) error {
	pipeline := c.patient.Pipeline()
	for _, cmd := range cmds {
		_ = pipeline.Process(ctx, cmd) // only queues it
	}
	wait := redis.NewIntCmd(ctx, "wait", c.replicas, c.timeout.Milliseconds())
	_ = pipeline.Process(ctx, wait)
	_, err := pipeline.Exec(ctx)
	if _, lost := errors.AsType[unanswered](err); lost {
		return err
	}
	if !slices.ContainsFunc(cmds, carriedOut) {
		return err
	}
	// From here on something has been carried out: whatever WAIT says must not make
	// the client of a cluster send it again.
	switch {
	case wait.Err() != nil:
		return unanswered{fmt.Errorf("asking for confirmation: %w", wait.Err())}
	case wait.Val() < int64(c.replicas):
		return unanswered{fmt.Errorf("%w: %d of %d", errUnconfirmed, wait.Val(), c.replicas)}
	}
	// Nothing to take or to replace, or no room to create, is an answer too. It is confirmed as far as the
	// server has written anything since its replicas answered last: an end that was
	// not confirmed does not look as if it had been when it is asked for again.
	return err
}

// carriedOut tells whether cmd is a change that the server did not refuse.
func carriedOut(cmd redis.Cmder) bool {
	return changes(cmd) && (cmd.Err() == nil || errors.Is(cmd.Err(), redis.Nil))
}

// changes tells whether cmd changes what the servers keep. All of it is confirmed.
// Take, Count, Create, Delete and Remove must not be undone. A Put or a Replace may
// overwrite what must not come back. And a session whose Add is lost, while its
// record is in another part of the cluster and stays, is not found by whoever ends
// all sessions of a user.
func changes(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "set", "getdel", "del", "zrem":
		return true
	case "eval", "evalsha":
		script := cmd.Args()[1]
		return script != membersSource && script != members.Hash()
	}
	return false
}

var _ redis.Hook = confirmation{}
