package flood

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/bench/signingkeys"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

const (
	// people is how many users share the sessions. A node keeps of each session who
	// its subject is, whether others have the same one or not.
	people = 1000

	// cached is how many sessions a node keeps in memory.
	cached = 128 << 10

	// bytesEach is what a session may take there.
	bytesEach = 2 << 10
)

// A node keeps sessions that are used, each with the assertion that the app was
// shown, and no more of them than it has room for.
func TestUsedSessionsTakeABoundedHeap(t *testing.T) {
	eachStore(t, "", func(t *testing.T, n *node) {
		idle := n.look(0)
		tokens := n.begin(*used)
		use := func(from, to int) {
			n.send(from, to, func(i int) *http.Request {
				return n.get("/", "Authorization", "Bearer "+tokens[i])
			}, http.StatusOK)
		}
		warm := *used / 10
		use(0, warm)
		looks := []look{idle, n.settled(warm)}
		for part := range parts {
			from, to := warm+(*used-warm)*part/parts, warm+(*used-warm)*(part+1)/parts
			use(from, to)
			looks = append(looks, n.settled(to))
		}
		show(t, looks)
		first, last := looks[1], looks[len(looks)-1]
		grown, kept := last.heap-first.heap, int64(min(last.sent, cached)-first.sent)
		t.Logf("%d bytes of heap for each of %d sessions", grown/kept, kept)
		if grown > 4*slack+bytesEach*kept { // connections to the store are among it
			t.Errorf("%d sessions that are kept of %d take %d bytes each, want %d at most", kept, last.sent, grown/kept, bytesEach)
		}
	})
}

// begin begins sessions as the node would, in its store and with its keys, and
// returns their tokens.
func (n *node) begin(count int) []string {
	n.t.Helper()
	ctx := n.t.Context()
	d := directory.NewSQLite(directory.SQLiteOptions{Path: filepath.Join(n.Dir, "directory.db")})
	if err := d.Open(ctx); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			n.t.Error(err)
		}
	})
	subjects, who := make([]string, min(people, count)), members{}
	for i := range subjects {
		user, err := d.CreateUser(ctx, directory.NewUser{
			Address: directory.Address(fmt.Sprintf("user%04d@example.com", i)), Verified: true,
			Name: fmt.Sprintf("User %d", i), Groups: []string{"members"},
		})
		if err != nil {
			n.t.Fatal(err)
		}
		subjects[i] = user.ID
		who[user.ID] = session.Identity{
			Subject: user.ID, Name: user.Name, Email: string(user.Emails[0].Address), EmailVerified: true, Groups: user.Groups,
		}
	}
	sessions := n.sessions(d, who)
	tokens := make([]string, count)
	var next atomic.Int64
	var working sync.WaitGroup
	for range 16 {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				_, token, err := sessions.Begin(ctx, session.SignIn{
					Subject: subjects[i%len(subjects)], Audience: n.URL, Issuer: n.URL + "/doorward",
					Methods: []string{session.MethodPasskey, session.MethodUserVerified},
					Agent:   "Firefox on Linux", Address: "203.0.113.7",
				})
				if err != nil {
					n.t.Error(err)
					return
				}
				tokens[i] = token
			}
		})
	}
	working.Wait()
	if n.t.Failed() {
		n.t.FailNow()
	}
	return tokens
}

// sessions returns the sessions of the node's store, in the place of another node.
func (n *node) sessions(d *directory.Directory, who members) *session.Sessions {
	n.t.Helper()
	ring, err := secret.NewRing([]byte(secretText))
	if err != nil {
		n.t.Fatal(err)
	}
	keys, err := session.NewKeySet(session.KeyOptions{
		Storage: signingkeys.Made{Directory: d}, Sealer: ring.Sealer("signing keys"), TokenLifetime: sessionLifetime,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	if err := keys.Refresh(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	return session.New(session.Options{
		Store: store.Sealed(n.store(), ring.Sealer("store")), Keys: keys, Identities: who,
		Lifetime: sessionLifetime, Idle: sessionLifetime,
	})
}

// store returns another hand at the node's store.
func (n *node) store() store.Store {
	n.t.Helper()
	var s store.Store
	if n.redis == nil {
		e := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(n.Dir, "store.db")})
		if err := e.Open(n.t.Context()); err != nil {
			n.t.Fatal(err)
		}
		s = e
	} else {
		r, err := store.NewRedis(store.RedisOptions{URL: n.redis.URL(), Timeout: 10 * time.Second, PoolTimeout: 10 * time.Second})
		if err != nil {
			n.t.Fatal(err)
		}
		s = r
	}
	n.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			n.t.Error(err)
		}
	})
	return s
}

// members says of each user what the node says of them.
type members map[string]session.Identity

// Of implements [session.Identities].
func (m members) Of(_ context.Context, subjects ...string) (found []session.Identity, err error) {
	for _, subject := range subjects {
		if identity, ok := m[subject]; ok {
			found = append(found, identity)
		}
	}
	return found, nil
}

// Changed implements [session.Identities]: nobody changes.
func (members) Changed(_ context.Context, mark string) (session.Changes, error) {
	return session.Changes{Mark: "none", Unbroken: mark != ""}, nil
}
