package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// count keeps a counter as a hash of one field, because a string would be a
// value. A ttl that has passed already, PEXPIRE turns into a deletion.
var count = redis.NewScript(`
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
if n == 1 then
	redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return n
`)

// longAgo is when a value expired that never lived. Redis takes no time before it.
var longAgo = time.Unix(1, 0)

// Put implements [Store].
func (r *Redis) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	ttl = ttl.Truncate(time.Millisecond)
	if ttl <= 0 { // which SET would take for "for ever"
		return r.Delete(ctx, key)
	}
	return redisFailed("putting a value", r.client.Set(ctx, r.key(key), value, ttl).Err())
}

// Replace implements [Store].
func (r *Redis) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	ttl = ttl.Truncate(time.Millisecond)
	if ttl <= 0 {
		n, err := r.client.Del(ctx, r.key(key)).Result()
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return redisFailed("replacing a value", err)
	}
	err := r.client.SetArgs(ctx, r.key(key), value, redis.SetArgs{Mode: "XX", TTL: ttl}).Err()
	return redisFailed("replacing a value", err)
}

// ReplaceAll implements [Store].
func (r *Redis) ReplaceAll(ctx context.Context, entries ...Entry) error {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = r.key(e.Key)
	}
	err := r.together(ctx, keys, func(to redis.Cmdable, i int) redis.Cmder {
		ttl := entries[i].TTL.Truncate(time.Millisecond)
		if ttl <= 0 {
			return to.Del(ctx, keys[i])
		}
		return to.SetArgs(ctx, keys[i], entries[i].Value, redis.SetArgs{Mode: "XX", TTL: ttl})
	})
	return redisFailed("replacing values", err)
}

// Create implements [Store].
func (r *Redis) Create(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	args := redis.SetArgs{Mode: "NX", TTL: ttl.Truncate(time.Millisecond)}
	if args.TTL <= 0 { // which SET would take for "for ever"
		args.TTL, args.ExpireAt = 0, longAgo
	}
	err := r.client.SetArgs(ctx, r.key(key), value, args).Err()
	if errors.Is(err, redis.Nil) { // the one thing that SET refuses without an error
		return ErrExists
	}
	return redisFailed("creating a value", err)
}

// Get implements [Store].
func (r *Redis) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := r.client.Get(ctx, r.key(key)).Bytes()
	if err != nil {
		return nil, redisFailed("getting a value", err)
	}
	return value, nil
}

// Take implements [Store].
func (r *Redis) Take(ctx context.Context, key string) ([]byte, error) {
	value, err := r.client.GetDel(ctx, r.key(key)).Bytes()
	if err != nil {
		return nil, redisFailed("taking a value", err)
	}
	return value, nil
}

// Count implements [Store].
func (r *Redis) Count(ctx context.Context, key string, ttl time.Duration) (int64, error) {
	n, err := count.Run(ctx, r.client, []string{r.key(key)}, ttl.Milliseconds()).Int64()
	if err != nil {
		return 0, redisFailed("counting", err)
	}
	return n, nil
}

// Delete implements [Store].
func (r *Redis) Delete(ctx context.Context, key string) error {
	return redisFailed("deleting a key", r.client.Del(ctx, r.key(key)).Err())
}

// DeleteAll implements [Store]. The keys of a cluster are not in one place, so that
// they have no command in common there.
func (r *Redis) DeleteAll(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	named := make([]string, len(keys))
	for i, key := range keys {
		named[i] = r.key(key)
	}
	if _, cluster := r.client.(*redis.ClusterClient); cluster {
		err := r.together(ctx, named, func(to redis.Cmdable, i int) redis.Cmder { return to.Del(ctx, named[i]) })
		return redisFailed("deleting keys", err)
	}
	return redisFailed("deleting keys", r.client.Del(ctx, named...).Err())
}
