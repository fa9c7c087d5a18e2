package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/bench/signingkeys"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

const (
	// secretText is what all keys of the gateway are derived from.
	secretText = "c7Gk2vQzXe9Lr4WpTn8Ys1Hd6Jb3Mf5A"

	// beginners is how many sessions are begun at once.
	beginners = 16

	// patience is how long a server may take for one answer while 100,000 sessions
	// are begun.
	patience = 10 * time.Second
)

// A state is where a gateway keeps what it knows, as the gateway's configuration
// names it, and as we write to it in the place of another node.
type state struct {
	option    string
	people    people
	directory *directory.Directory
	store     interface {
		store.Store
		Open(context.Context) error
	}
	kept string // the folder in which the embedded state has to be; empty if it is shared
	made string // the folder in which it is made
}

// newState returns the state of a new gateway, in files or in servers.
func newState(t *testing.T, backend string, users people) *state {
	t.Helper()
	s := &state{people: users}
	switch backend {
	case "embedded":
		// Beginning 100,000 sessions waits for the disk as often. They are begun in
		// memory, where the system has such a place, and moved to the disk then.
		s.kept = t.TempDir()
		var err error
		if s.made, err = os.MkdirTemp("/dev/shm", "doorward-bench-"); err != nil {
			s.made = t.TempDir()
		}
		t.Cleanup(func() { os.RemoveAll(s.made) })
		s.option = "store embedded:" + filepath.Join(s.kept, "store.db") + "\n\t\tdirectory embedded:" + filepath.Join(s.kept, "directory.db")
		s.directory = directory.NewSQLite(directory.SQLiteOptions{Path: filepath.Join(s.made, "directory.db")})
		s.store = store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(s.made, "store.db")})
	case "shared":
		redis, database := storetest.StartRedis(t), directorytest.StartPostgres(t).NewDatabase()
		s.option = "store " + redis.URL() + "\n\t\tdirectory " + database
		var err error
		if s.directory, err = directory.NewPostgres(directory.PostgresOptions{URL: database}); err != nil {
			t.Fatal(err)
		}
		client, err := store.NewRedis(store.RedisOptions{
			URL: redis.URL(), PoolSize: beginners, Timeout: patience, PoolTimeout: patience,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.store = opened{client}
	default:
		t.Fatalf("-backend %s: want embedded or shared", backend)
	}
	return s
}

// opened is a store that needs no opening.
type opened struct{ *store.Redis }

// Open does nothing.
func (opened) Open(context.Context) error { return nil }

// fill makes the users, the signing keys, and a session for each user at the site
// whose origin is audience, and one session of the first user at each further site.
// It returns the tokens. Nothing has the state open afterwards.
func (s *state) fill(t *testing.T, audience string, further ...string) (tokens []string) {
	t.Helper()
	ctx := t.Context()
	if err := errors.Join(s.directory.Open(ctx), s.store.Open(ctx)); err != nil {
		t.Fatal(err)
	}
	s.people.importInto(t, s.directory)
	ring, err := secret.NewRing([]byte(secretText))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := session.NewKeySet(session.KeyOptions{Storage: signingkeys.Storage{Directory: s.directory}, Sealer: ring.Sealer("signing keys"), TokenLifetime: 12 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	all := session.New(session.Options{
		Store: store.Sealed(s.store, ring.Sealer("store")), Keys: keys, Identities: s.people, Idle: *idle,
	})
	begin := func(user int, origin string) (string, error) {
		_, token, err := all.Begin(ctx, session.SignIn{
			Subject: s.people.id(user), Audience: origin, Issuer: origin + "/doorward",
			Methods: []string{session.MethodPasskey, session.MethodUserVerified},
			Agent:   "Firefox on Linux", Address: "127.0.0.1",
		})
		return token, err
	}
	tokens = make([]string, s.people)
	errs := make(chan error, beginners)
	var working sync.WaitGroup
	for first := range beginners {
		working.Go(func() {
			for i := first; i < len(tokens); i += beginners {
				var err error
				if tokens[i], err = begin(i, audience); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	working.Wait()
	close(errs)
	for err := range errs {
		t.Fatalf("beginning sessions: %v", err)
	}
	for _, origin := range further {
		token, err := begin(0, origin)
		if err != nil {
			t.Fatalf("beginning a session at %s: %v", origin, err)
		}
		tokens = append(tokens, token)
	}
	if err := errors.Join(s.store.Close(), s.directory.Close()); err != nil {
		t.Fatal(err)
	}
	if s.kept != "" {
		if err := os.CopyFS(s.kept, os.DirFS(s.made)); err != nil {
			t.Fatal(err)
		}
	}
	return tokens
}
