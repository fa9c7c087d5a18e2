package store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// together sends a command for each of keys in one journey: a pipeline to the server,
// or in a cluster one to each server that has some of them. add gives the command of
// the key at i to a pipeline, or sends it by itself. That there was nothing to change
// is no error.
//
// The pipeline of a cluster's client is no use: it sends again what a lost connection
// left without an answer. See [guard].
func (r *Redis) together(ctx context.Context, keys []string, add func(to redis.Cmdable, i int) redis.Cmder) error {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	at := map[*redis.Client][]int{}
	for i, key := range keys {
		primary, err := r.primary(ctx, key)
		if err != nil {
			return err
		}
		at[primary] = append(at[primary], i)
	}
	var journeys sync.WaitGroup
	failed := make(chan error, len(at))
	for primary, some := range at {
		journeys.Go(func() {
			if err := r.journey(ctx, primary, some, add); err != nil {
				failed <- err
			}
		})
	}
	journeys.Wait()
	close(failed)
	return <-failed // the first, or nil
}

// primary returns the client of the server that has key, as far as is known here.
func (r *Redis) primary(ctx context.Context, key string) (*redis.Client, error) {
	if cluster, ok := r.client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, key)
	}
	return r.client.(*redis.Client), nil
}

// journey sends some of the commands of together to primary.
func (r *Redis) journey(ctx context.Context, primary *redis.Client, some []int, add func(redis.Cmdable, int) redis.Cmder) error {
	pipeline := primary.Pipeline()
	commands := make([]redis.Cmder, len(some))
	for n, i := range some {
		commands[n] = add(pipeline, i)
	}
	_, err := pipeline.Exec(ctx)
	// A server that does not let a connection in answers as well, and then none of the
	// commands has that error.
	if err != nil && (!isAnswer(err) || !slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Err() != nil })) {
		return err
	}
	_, clustered := r.client.(*redis.ClusterClient)
	for n, i := range some {
		err := commands[n].Err()
		if clustered && err != nil && isAnswer(err) && !errors.Is(err, redis.Nil) {
			// Refused, so nothing was done. The client of the cluster knows where to go
			// from there, if anywhere.
			err = add(r.client, i).Err()
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// isAnswer tells whether err is what a server said.
func isAnswer(err error) bool {
	_, answer := errors.AsType[redis.Error](err)
	return answer
}
