package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

func TestChangesAreWithTheReplicaWhenTheySucceed(t *testing.T) {
	server := storetest.StartRedis(t)
	replica := storetest.StartReplica(t, server)
	r := openRedis(t, store.RedisOptions{URL: server.URL(), Replicas: 1, ReplicaTimeout: 10 * time.Second})
	for range 200 {
		if err := r.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := replica.Must("get", "doorward:key:key"); got != "value" {
			t.Fatalf("the replica has %v after Put, want the value", got)
		}
		if err := r.ReplaceAll(t.Context(), store.Entry{Key: "key", Value: []byte("replaced"), TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if got := replica.Must("get", "doorward:key:key"); got != "replaced" {
			t.Fatalf("the replica has %v after ReplaceAll, want the value", got)
		}
		if _, err := r.Take(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
		if got := replica.Must("get", "doorward:key:key"); got != nil {
			t.Fatalf("the replica has %v after Take, want nothing", got)
		}
		if err := r.Create(t.Context(), "key", []byte("created"), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := replica.Must("get", "doorward:key:key"); got != "created" {
			t.Fatalf("the replica has %v after Create, want the value", got)
		}
	}
}

// A primary that nobody follows may be one that was cut off, and another be in its
// place already.
func TestChangesThatNobodyConfirmsFailInTime(t *testing.T) {
	server := storetest.StartRedis(t)
	replica := storetest.StartReplica(t, server)
	patient := openRedis(t, store.RedisOptions{URL: server.URL(), Replicas: 1, ReplicaTimeout: 10 * time.Second})
	o := store.RedisOptions{URL: server.URL(), Replicas: 1, ReplicaTimeout: 300 * time.Millisecond}
	r := openRedis(t, o)
	ctx := t.Context()
	received := subscribe(t, r)
	for _, key := range []string{"key", "other"} {
		if err := patient.Put(ctx, key, []byte("value"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	replica.Pause()
	start := time.Now()
	_, takeErr := r.Take(ctx, "other")
	_, againErr := r.Take(ctx, "other")
	_, countErr := r.Count(ctx, "count", time.Hour)
	for doing, err := range map[string]error{
		"Put":                      r.Put(ctx, "key", []byte("value"), time.Hour),
		"Put that is over at once": r.Put(ctx, "third", nil, 0),
		"Replace":                  r.Replace(ctx, "key", []byte("value"), time.Hour),
		"Replace of what is not":   r.Replace(ctx, "missing", nil, time.Hour),
		"ReplaceAll":               r.ReplaceAll(ctx, store.Entry{Key: "key", Value: []byte("value"), TTL: time.Hour}),
		"ReplaceAll for no time":   r.ReplaceAll(ctx, store.Entry{Key: "missing"}),
		"Create":                   r.Create(ctx, "fourth", nil, time.Hour),
		"Create of what is there":  r.Create(ctx, "key", nil, time.Hour),
		"Create for no time":       r.Create(ctx, "fifth", nil, 0),
		"Delete of what is gone":   r.Delete(ctx, "other"),
		"Take":                     takeErr,
		"Take of what was taken":   againErr,
		"Count":                    countErr,
		"Delete":                   r.Delete(ctx, "third"),
		"Add":                      r.Add(ctx, "set", "member", time.Hour),
		"Remove":                   r.Remove(ctx, "set", "member"),
	} {
		if err == nil || !strings.Contains(err.Error(), "confirmed") {
			t.Errorf("%s = %v, want that it was not confirmed", doing, err)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("seventeen changes took %v, want about 300ms each", took)
	}
	if got, err := r.Get(ctx, "key"); err != nil || string(got) != "value" {
		t.Errorf("Get = %q, %v, want the value: nothing is changed by it", got, err)
	}
	if _, err := r.Members(ctx, "set"); err != nil {
		t.Errorf("Members = %v, want nil", err)
	}
	if err := r.Ping(ctx); err != nil {
		t.Errorf("Ping = %v, want nil", err)
	}
	wantMessages(t, r, received)

	other, err := store.NewRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Open(ctx); err == nil || !strings.Contains(err.Error(), "0 of 1") {
		t.Errorf("Open without a replica = %v, want that 0 of 1 have confirmed", err)
	}
	replica.Resume()
	wantService(t, r)
}

// WAIT with fewer milliseconds than a round trip takes is still one that asks.
func TestTimeForReplicasDoesNotShortenTheTimeForAnAnswer(t *testing.T) {
	server := storetest.StartRedis(t)
	replica := storetest.StartReplica(t, server)
	r := openRedis(t, store.RedisOptions{
		URL: server.URL(), Replicas: 1, Timeout: 200 * time.Millisecond, ReplicaTimeout: 5 * time.Second,
	})
	replica.Pause()
	time.AfterFunc(time.Second, func() { replica.Resume() })
	if err := r.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Errorf("Put confirmed after a second = %v, want nil: replicas have five", err)
	}
}
