package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

var values = []Promise{
	{"a value can be read until it is deleted", readUntilDeleted},
	{"keys can be deleted together, and no other is", deletedTogether},
	{"putting again replaces the value and its time to live", putAgain},
	{"a value is gone when its time to live has passed", valueExpires},
	{"a time to live under a millisecond has passed already", valueNeverLived},
	{"a replaced value lives as long as the last Replace says", replaceRenews},
	{"only a live value can be replaced", replaceNeedsLive},
	{"values can be replaced together, and none is brought back", replacedTogether},
	{"any number of values can be replaced together", manyReplacedTogether},
	{"a key can be created where nothing is", createWhereNothingIs},
	{"what is there is not created again, and not touched", createLeavesAlone},
	{"a created value lives as long as a put one", createdExpires},
	{"a value can be taken once", takenOnce},
	{"an expired value cannot be taken", takeExpired},
	{"any bytes are a value, and none is one too", binaryValues},
	{"the store keeps a copy of the value", copiedValues},
	{"different keys are different values", keyIsolation},
	{"a key, a set and a topic of one name do not meet", kindIsolation},
}

func deletedTogether(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	put(t, s, "value", "a", time.Hour)
	put(t, s, "other", "b", time.Hour)
	if _, err := s.Count(ctx, "counter", time.Hour); err != nil {
		t.Fatal(err)
	}
	must(t, s.DeleteAll(ctx, "value", "never there", "counter"))
	wantGone(t, s, "value")
	wantGone(t, s, "counter")
	wantValue(t, s, "other", "b")
	must(t, s.DeleteAll(ctx))
	wantValue(t, s, "other", "b")
}

func readUntilDeleted(t *testing.T, s store.Store, _ func(time.Duration)) {
	wantGone(t, s, "key")
	put(t, s, "key", "value", time.Hour)
	wantValue(t, s, "key", "value")
	wantValue(t, s, "key", "value")
	must(t, s.Delete(t.Context(), "key"))
	wantGone(t, s, "key")
	if err := s.Delete(t.Context(), "key"); err != nil {
		t.Errorf("Delete of what is not there = %v, want nil", err)
	}
}

func putAgain(t *testing.T, s store.Store, wait func(time.Duration)) {
	put(t, s, "key", "first", time.Second)
	put(t, s, "key", "second", time.Hour)
	put(t, s, "other", "first", time.Hour)
	put(t, s, "other", "second", time.Second)
	wait(time.Second)
	wantValue(t, s, "key", "second")
	wantGone(t, s, "other")
}

func valueExpires(t *testing.T, s store.Store, wait func(time.Duration)) {
	put(t, s, "key", "value", 2*time.Second)
	wait(time.Second)
	wantValue(t, s, "key", "value")
	wait(time.Second)
	wantGone(t, s, "key")
}

func valueNeverLived(t *testing.T, s store.Store, _ func(time.Duration)) {
	for _, ttl := range []time.Duration{0, -1, -time.Hour, time.Millisecond - 1} {
		put(t, s, "key", "earlier", time.Hour)
		put(t, s, "key", "value", ttl)
		wantGone(t, s, "key")

		put(t, s, "key", "earlier", time.Hour)
		must(t, s.Replace(t.Context(), "key", []byte("value"), ttl))
		wantGone(t, s, "key")
		if err := s.Replace(t.Context(), "key", []byte("value"), ttl); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Replace for %v of what is not there = %v, want ErrNotFound", ttl, err)
		}

		must(t, s.Create(t.Context(), "key", []byte("value"), ttl))
		wantGone(t, s, "key")
		must(t, s.Create(t.Context(), "key", []byte("value"), time.Hour))
		wantExists(t, s, "key", ttl)
		wantValue(t, s, "key", "value")
	}
}

func replaceRenews(t *testing.T, s store.Store, wait func(time.Duration)) {
	put(t, s, "longer", "first", 2*time.Second)
	put(t, s, "shorter", "first", time.Hour)
	must(t, s.Replace(t.Context(), "longer", []byte("second"), time.Hour))
	must(t, s.Replace(t.Context(), "shorter", []byte("second"), 2*time.Second))
	wantValue(t, s, "shorter", "second")
	wait(2 * time.Second)
	wantValue(t, s, "longer", "second")
	wantGone(t, s, "shorter")
}

func replaceNeedsLive(t *testing.T, s store.Store, wait func(time.Duration)) {
	ctx := t.Context()
	put(t, s, "deleted", "value", time.Hour)
	must(t, s.Delete(ctx, "deleted"))
	put(t, s, "taken", "value", time.Hour)
	if _, err := s.Take(ctx, "taken"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "expired", "value", time.Millisecond)
	wait(time.Millisecond)
	for _, key := range []string{"never put", "deleted", "taken", "expired"} {
		if err := s.Replace(ctx, key, []byte("back"), time.Hour); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Replace(%q) = %v, want ErrNotFound", key, err)
		}
		wantGone(t, s, key)
	}
}

func replacedTogether(t *testing.T, s store.Store, wait func(time.Duration)) {
	ctx := t.Context()
	put(t, s, "value", "first", 2*time.Second)
	put(t, s, "shorter", "first", time.Hour)
	put(t, s, "over", "first", time.Hour)
	put(t, s, "empty", "first", time.Hour)
	put(t, s, "other", "first", time.Hour)
	put(t, s, "deleted", "first", time.Hour)
	must(t, s.Delete(ctx, "deleted"))
	put(t, s, "taken", "first", time.Hour)
	if _, err := s.Take(ctx, "taken"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "expired", "first", time.Millisecond)
	wantCount(t, s, "counter", time.Hour, 1)
	wait(time.Millisecond)

	second := func(key string, ttl time.Duration) store.Entry {
		return store.Entry{Key: key, Value: []byte("second of " + key), TTL: ttl}
	}
	entries := []store.Entry{
		second("never put", time.Hour),
		second("value", time.Hour),
		second("deleted", time.Hour),
		second("shorter", 2*time.Second),
		second("taken", time.Hour),
		second("over", time.Millisecond-1),
		second("expired", time.Hour),
		{Key: "empty", TTL: time.Hour},
		second("counter", time.Hour),
	}
	must(t, s.ReplaceAll(ctx, entries...))
	for _, e := range entries {
		clear(e.Value) // the store has a copy
	}
	wantValue(t, s, "value", "second of value")
	wantValue(t, s, "shorter", "second of shorter")
	wantValue(t, s, "empty", "")
	wantValue(t, s, "counter", "second of counter")
	wantValue(t, s, "other", "first")
	for _, key := range []string{"never put", "deleted", "taken", "over", "expired"} {
		wantGone(t, s, key)
	}
	must(t, s.ReplaceAll(ctx))
	must(t, s.ReplaceAll(ctx, store.Entry{Key: "never put", Value: []byte("back"), TTL: time.Hour}))
	wantGone(t, s, "never put")
	wait(2 * time.Second)
	wantValue(t, s, "value", "second of value")
	wantGone(t, s, "shorter")
}

func manyReplacedTogether(t *testing.T, s store.Store, _ func(time.Duration)) {
	var entries []store.Entry
	for i := range 150 {
		key := fmt.Sprint("key ", i)
		entries = append(entries, store.Entry{Key: key, Value: []byte("second of " + key), TTL: time.Hour})
		if i%3 != 0 {
			put(t, s, key, "first", time.Hour)
		}
	}
	must(t, s.ReplaceAll(t.Context(), entries...))
	for i, e := range entries {
		if i%3 != 0 {
			wantValue(t, s, e.Key, string(e.Value))
		} else {
			wantGone(t, s, e.Key)
		}
	}
}

func createWhereNothingIs(t *testing.T, s store.Store, wait func(time.Duration)) {
	ctx := t.Context()
	put(t, s, "deleted", "value", time.Hour)
	must(t, s.Delete(ctx, "deleted"))
	put(t, s, "taken", "value", time.Hour)
	if _, err := s.Take(ctx, "taken"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "expired", "value", time.Millisecond)
	wantCount(t, s, "expired counter", time.Millisecond, 1)
	must(t, s.Add(ctx, "set", "member", time.Hour))
	wait(time.Millisecond)
	for _, key := range []string{"never put", "deleted", "taken", "expired", "expired counter", "set"} {
		if err := s.Create(ctx, key, []byte("made"), time.Hour); err != nil {
			t.Errorf("Create(%q) = %v, want nil", key, err)
		}
		wantValue(t, s, key, "made")
		wantExists(t, s, key, time.Hour)
	}
	wantMembers(t, s, "set", "member")
}

func createLeavesAlone(t *testing.T, s store.Store, wait func(time.Duration)) {
	put(t, s, "value", "first", 2*time.Second)
	wantCount(t, s, "counter", 2*time.Second, 1)
	must(t, s.Create(t.Context(), "created", []byte("first"), 2*time.Second))
	for _, key := range []string{"value", "counter", "created"} {
		wantExists(t, s, key, time.Hour)
		wantExists(t, s, key, time.Millisecond)
	}
	wait(time.Millisecond)
	wantValue(t, s, "value", "first")
	wantValue(t, s, "created", "first")
	wantCount(t, s, "counter", time.Hour, 2)
	wait(2 * time.Second)
	for _, key := range []string{"value", "counter", "created"} { // they live no longer for it
		must(t, s.Create(t.Context(), key, []byte("second"), time.Hour))
		wantValue(t, s, key, "second")
	}
}

func createdExpires(t *testing.T, s store.Store, wait func(time.Duration)) {
	must(t, s.Create(t.Context(), "key", []byte("value"), 2*time.Second))
	must(t, s.Create(t.Context(), "renewed", []byte("value"), 2*time.Second))
	must(t, s.Replace(t.Context(), "renewed", []byte("value"), time.Hour))
	wait(time.Second)
	wantValue(t, s, "key", "value")
	wait(time.Second)
	wantGone(t, s, "key")
	wantValue(t, s, "renewed", "value")
}

func takenOnce(t *testing.T, s store.Store, _ func(time.Duration)) {
	put(t, s, "key", "value", time.Hour)
	if got, err := s.Take(t.Context(), "key"); err != nil || string(got) != "value" {
		t.Errorf("first Take = %q, %v, want the value", got, err)
	}
	if got, err := s.Take(t.Context(), "key"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("second Take = %q, %v, want ErrNotFound", got, err)
	}
	wantGone(t, s, "key")
}

func takeExpired(t *testing.T, s store.Store, wait func(time.Duration)) {
	put(t, s, "key", "value", time.Second)
	wait(time.Second)
	if got, err := s.Take(t.Context(), "key"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Take = %q, %v, want ErrNotFound", got, err)
	}
}

func binaryValues(t *testing.T, s store.Store, _ func(time.Duration)) {
	for name, value := range map[string][]byte{
		"nil":     nil,
		"empty":   {},
		"zero":    {0},
		"zeros":   {0, 'a', 0, 0},
		"lines":   []byte("a\r\nb\n\r"),
		"not UTF": {0xff, 0xfe, 0x80},
		"digits":  []byte("12"),
		"large":   bytes.Repeat([]byte{0, 1, 2, 0xff}, 1<<16),
	} {
		must(t, s.Put(t.Context(), name, value, time.Hour))
		if got, err := s.Get(t.Context(), name); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s: Get = %d bytes, %v, want %d", name, len(got), err, len(value))
		}
		must(t, s.Replace(t.Context(), name, value, time.Hour))
		if got, err := s.Take(t.Context(), name); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s: Take = %d bytes, %v, want %d", name, len(got), err, len(value))
		}
		wantGone(t, s, name)
		must(t, s.Create(t.Context(), name, value, time.Hour))
		if got, err := s.Take(t.Context(), name); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s: Take of what was created = %d bytes, %v, want %d", name, len(got), err, len(value))
		}
	}
}

func copiedValues(t *testing.T, s store.Store, _ func(time.Duration)) {
	value := []byte("value")
	must(t, s.Put(t.Context(), "key", value, time.Hour))
	must(t, s.Create(t.Context(), "created", value, time.Hour))
	value[0] = 'X'
	wantValue(t, s, "key", "value")
	wantValue(t, s, "created", "value")
	got, err := s.Get(t.Context(), "key")
	must(t, err)
	got[0] = 'X'
	wantValue(t, s, "key", "value")
}

func keyIsolation(t *testing.T, s store.Store, _ func(time.Duration)) {
	keys := []string{
		"", " ", "a", "A", "a/b", "a/", "a:b", "a*", "a?", "[a]", "%", "_", "a_b", "aXb",
		"{a}", "{a}b", "}", "a\x00", "a\x00b", "\x00", "\xff", "\xfe", "é", "e\u0301", "ſ", "key:a", "1", "01", "1.0",
		"'; DROP TABLE entries; --", "a\r\nGET b", strings.Repeat("k", 1000),
	}
	for _, key := range keys {
		put(t, s, key, "value of "+key, time.Hour)
	}
	for _, key := range keys {
		wantValue(t, s, key, "value of "+key)
	}
	for i, key := range keys {
		must(t, s.Delete(t.Context(), key))
		wantGone(t, s, key)
		for _, other := range keys[i+1:] {
			wantValue(t, s, other, "value of "+other)
		}
	}
}

func kindIsolation(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	put(t, s, "name", "value", time.Hour)
	must(t, s.Add(ctx, "name", "member", time.Hour))
	must(t, s.Publish(ctx, "name", []byte("message")))
	wantValue(t, s, "name", "value")
	wantMembers(t, s, "name", "member")
	must(t, s.Delete(ctx, "name"))
	wantMembers(t, s, "name", "member")
	wantCount(t, s, "name", time.Hour, 1)
	must(t, s.Remove(ctx, "name", "member"))
	wantCount(t, s, "name", time.Hour, 2)
}
