package scale

import (
	"context"
	"testing"
	"time"

	"github.com/doorward/doorward/bench/signingkeys"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

const (
	// sessionLifetime lets no session expire while others are measured.
	sessionLifetime = 24 * time.Hour

	// sessionWorkers is how many sessions are begun, or used, at once.
	sessionWorkers = 16

	// mostTokens is how many session tokens of a site are remembered, to be used
	// later: more than a node keeps sessions in memory.
	mostTokens = 150_000

	// redisTimeout is how long Redis may take to answer. A machine that is busy
	// with other things for more than a second is not to end half an hour's work.
	redisTimeout = 10 * time.Second

	// prefix is what the names of keys begin with in Redis.
	prefix = "doorward:"
)

// fillSessions begins a session for each user, as the gateway would: in its
// Redis, with its keys.
func (s *site) fillSessions(t *testing.T) {
	t.Helper()
	every := (s.size + mostTokens - 1) / mostTokens
	s.tokens = make([]string, (s.size+every-1)/every)
	sessions, closeStore := s.openSessions(t)
	var first *session.Visitor
	begin := func(ctx context.Context, i int) error {
		v, token, err := sessions.Begin(ctx, session.SignIn{
			Subject: s.people.id(i), Audience: s.gateway.URL, Issuer: s.gateway.URL + "/doorward",
			Methods: []string{session.MethodPasskey, session.MethodUserVerified},
			Agent:   "Firefox on Linux", Address: "203.0.113.7",
		})
		if i == 0 {
			first = v
		}
		if i%every == 0 {
			s.tokens[i/every] = token
		}
		return err
	}
	// Redis takes memory for a first session that it does not for the next.
	if err := begin(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	bytesBefore, keysBefore := s.redisBytes(t), s.redis.Must("DBSIZE").(int64)
	began, rest := time.Now(), s.size-1
	err := parallel(t.Context(), sessionWorkers, rest, func(ctx context.Context, _, i int) error { return begin(ctx, i+1) })
	s.took.sessions = time.Since(began)
	closeStore()
	if err != nil {
		t.Fatal(err)
	}

	// A record, who its subject is, and the list of the subject's sessions; and for all
	// of them the journal.
	if got, want := s.redis.Must("DBSIZE").(int64)-keysBefore, int64(3*rest); got != want && got != want+1 {
		t.Errorf("%d sessions made %d keys in Redis, want %d, and the journal", rest, got, want)
	}
	s.bytes.redis = float64(s.redisBytes(t)-bytesBefore) / float64(rest)
	for key, usage := range map[string]*int64{
		"key:session/" + first.ID:       &s.bytes.record,
		"key:subject/" + first.Subject:  &s.bytes.subject,
		"set:sessions/" + first.Subject: &s.bytes.list,
	} {
		n, ok := s.redis.Must("MEMORY", "USAGE", prefix+key, "SAMPLES", "0").(int64)
		if !ok {
			t.Errorf("Redis has no %s", key)
		}
		*usage = n
	}
	t.Logf("%d sessions: in Redis after %v, %.0f bytes each (record %d, subject %d, list %d)",
		s.size, s.took.sessions.Round(time.Millisecond), s.bytes.redis, s.bytes.record, s.bytes.subject, s.bytes.list)
}

// openSessions returns the sessions of the site, in the place of another node.
func (s *site) openSessions(t *testing.T) (sessions *session.Sessions, closeStore func()) {
	t.Helper()
	ring, err := secret.NewRing([]byte(secretText))
	if err != nil {
		t.Fatal(err)
	}
	redis, err := store.NewRedis(store.RedisOptions{
		URL: s.redis.URL(), PoolSize: sessionWorkers, Timeout: redisTimeout, PoolTimeout: redisTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := session.NewKeySet(session.KeyOptions{
		Storage: signingkeys.Made{Directory: s.directory}, Sealer: ring.Sealer("signing keys"), TokenLifetime: sessionLifetime,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	sessions = session.New(session.Options{
		Store: store.Sealed(redis, ring.Sealer("store")), Keys: keys, Identities: s.people,
		Lifetime: sessionLifetime, Idle: sessionLifetime,
	})
	return sessions, func() {
		if err := redis.Close(); err != nil {
			t.Error(err)
		}
	}
}
