package store

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// quiet is how long a subscription hears nothing before it asks whether the
	// server is there. A server that vanished without closing the connection is
	// noticed after twice as long.
	quiet = 2 * time.Second

	// resubscribeEvery is the pause between attempts while Redis is away.
	resubscribeEvery = 250 * time.Millisecond
)

// Publish implements [Store].
func (r *Redis) Publish(ctx context.Context, topic string, message []byte) error {
	publish := redis.NewIntCmd(ctx, "publish", r.topic(topic), message)
	// A cluster passes messages on from any node. Treating the topic as a key sends
	// them all to the one where its subscribers are, which keeps them in order.
	publish.SetFirstKeyPos(1)
	return redisFailed("publishing", r.client.Process(ctx, publish))
}

// Subscribe implements [Store]. A subscription has a connection of its own.
func (r *Redis) Subscribe(ctx context.Context, topic string, receive func(message []byte)) error {
	subscription, err := r.listen(ctx, topic)
	if err != nil {
		return redisFailed("subscribing", err)
	}
	err = r.background.start(ctx, func(ctx context.Context) {
		for subscription != nil {
			relay(ctx, subscription, receive)
			subscription = r.listenAgain(ctx, topic)
		}
	})
	if err != nil {
		return errors.Join(err, subscription.Close())
	}
	return nil
}

// listen returns a subscription that the server has confirmed.
func (r *Redis) listen(ctx context.Context, topic string) (*redis.PubSub, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	subscription := r.client.Subscribe(ctx, r.topic(topic))
	_, err := subscription.ReceiveTimeout(ctx, r.timeout)
	if err == nil {
		return subscription, nil
	}
	_ = subscription.Close()
	if cluster, ok := r.client.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx) // see newClusterClient: no guard sees subscriptions
	}
	return nil, err
}

// listenAgain tries until it has a subscription. It returns nil when ctx has
// ended.
func (r *Redis) listenAgain(ctx context.Context, topic string) *redis.PubSub {
	for ctx.Err() == nil {
		if subscription, err := r.listen(ctx, topic); err == nil {
			return subscription
		}
		select {
		case <-ctx.Done():
		case <-time.After(resubscribeEvery):
		}
	}
	return nil
}

// relay calls receive with each message until ctx ends or the connection is
// lost, and closes the subscription.
func relay(ctx context.Context, subscription *redis.PubSub, receive func([]byte)) {
	defer subscription.Close()
	// Closing it wakes the read below.
	defer context.AfterFunc(ctx, func() { subscription.Close() })()
	asked := false
	for {
		reply, err := subscription.ReceiveTimeout(ctx, quiet)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, os.ErrDeadlineExceeded) && !asked:
			asked = true
			if subscription.Ping(ctx) != nil {
				return
			}
			continue
		case err != nil:
			return
		}
		asked = false
		if message, ok := reply.(*redis.Message); ok {
			receive([]byte(message.Payload))
		}
	}
}
