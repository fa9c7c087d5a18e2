package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// A set is a sorted set, scored by when each member expires: milliseconds since
// 1970 by the server's clock. A member is live while its score is greater than
// now.
var (
	// add also drops the members that have expired, and lets the whole set expire
	// with the last of those that are left.
	add = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then
	redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last[2]))
end
return 1
`)

	members = redis.NewScript(membersSource)
)

const membersSource = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
`

// Add implements [Store].
func (r *Redis) Add(ctx context.Context, set, member string, ttl time.Duration) error {
	err := add.Run(ctx, r.client, []string{r.set(set)}, member, max(0, ttl.Milliseconds())).Err()
	return redisFailed("adding to a set", err)
}

// Members implements [Store].
func (r *Redis) Members(ctx context.Context, set string) ([]string, error) {
	live, err := members.Run(ctx, r.client, []string{r.set(set)}).StringSlice()
	if err != nil {
		return nil, redisFailed("reading a set", err)
	}
	return live, nil
}

// Remove implements [Store].
func (r *Redis) Remove(ctx context.Context, set, member string) error {
	return redisFailed("removing from a set", r.client.ZRem(ctx, r.set(set), member).Err())
}
