package storetest

import (
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

var sets = []Promise{
	{"a set has the members that were added and not removed", setMembers},
	{"each member has its own time to live", membersExpire},
	{"adding a member again renews it", memberRenewed},
	{"a member under a millisecond is never kept", memberNeverLived},
	{"different sets have different members", setIsolation},
}

func setMembers(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	wantMembers(t, s, "set")
	for _, member := range []string{"a", "b", "a", "c", "", "\x00", "\xff"} {
		must(t, s.Add(ctx, "set", member, time.Hour))
	}
	wantMembers(t, s, "set", "a", "b", "c", "", "\x00", "\xff")
	must(t, s.Remove(ctx, "set", "b"))
	must(t, s.Remove(ctx, "set", "never added"))
	must(t, s.Remove(ctx, "no such set", "a"))
	wantMembers(t, s, "set", "a", "c", "", "\x00", "\xff")
	for _, member := range []string{"a", "c", "", "\x00", "\xff"} {
		must(t, s.Remove(ctx, "set", member))
	}
	wantMembers(t, s, "set")
}

func membersExpire(t *testing.T, s store.Store, wait func(time.Duration)) {
	ctx := t.Context()
	must(t, s.Add(ctx, "set", "long", time.Hour))
	must(t, s.Add(ctx, "set", "short", 2*time.Second))
	must(t, s.Add(ctx, "alone", "short", 2*time.Second))
	wait(time.Second)
	wantMembers(t, s, "set", "long", "short")
	wantMembers(t, s, "alone", "short")
	wait(time.Second)
	wantMembers(t, s, "set", "long")
	wantMembers(t, s, "alone")
}

func memberRenewed(t *testing.T, s store.Store, wait func(time.Duration)) {
	ctx := t.Context()
	must(t, s.Add(ctx, "set", "later", time.Second))
	must(t, s.Add(ctx, "set", "later", time.Hour))
	must(t, s.Add(ctx, "set", "sooner", time.Hour))
	must(t, s.Add(ctx, "set", "sooner", time.Second))
	wait(time.Second)
	wantMembers(t, s, "set", "later")
	must(t, s.Add(ctx, "set", "sooner", time.Hour))
	wantMembers(t, s, "set", "later", "sooner")
}

func memberNeverLived(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	must(t, s.Add(ctx, "set", "other", time.Hour))
	for _, ttl := range []time.Duration{0, -1, -time.Hour, time.Millisecond - 1} {
		must(t, s.Add(ctx, "set", "member", time.Hour))
		must(t, s.Add(ctx, "set", "member", ttl))
		wantMembers(t, s, "set", "other")
		must(t, s.Add(ctx, "empty", "member", ttl))
		wantMembers(t, s, "empty")
	}
}

func setIsolation(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	must(t, s.Add(ctx, "a", "bc", time.Hour))
	must(t, s.Add(ctx, "ab", "c", time.Hour))
	must(t, s.Add(ctx, "", "abc", time.Hour))
	wantMembers(t, s, "a", "bc")
	wantMembers(t, s, "ab", "c")
	wantMembers(t, s, "", "abc")
	must(t, s.Remove(ctx, "a", "c"))
	wantMembers(t, s, "ab", "c")
}
