package attacks

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// An insider has read the data directory of a gateway. What it forges is wrong for
// one reason only; a test that uses it is about that reason.
type insider struct {
	t     testing.TB
	ring  *secret.Ring
	store store.Store
	keys  []directory.Key
	users *directory.Directory
}

// insider opens the data directory of the house, whose gateway goes on running.
func (s *Scene) insider() *insider {
	s.T.Helper()
	dir := filepath.Join(s.Gateway.Dir, "data", "caddy", "doorward")
	i := &insider{t: s.T}
	content, err := secret.Load(filepath.Join(dir, "secret"))
	i.must(err)
	i.ring, err = secret.NewRing(content)
	i.must(err)
	embedded := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(dir, "store.db")})
	i.must(embedded.Open(s.T.Context()))
	s.T.Cleanup(func() { embedded.Close() })
	i.store = store.Sealed(embedded, i.ring.Sealer("store"))
	people := directory.NewSQLite(directory.SQLiteOptions{Path: filepath.Join(dir, "directory.db")})
	i.must(people.Open(s.T.Context()))
	s.T.Cleanup(func() { people.Close() })
	i.users = people
	i.keys, err = people.Keys(s.T.Context())
	i.must(err)
	return i
}

func (i *insider) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

// key returns the private half of the key that signed a token.
func (i *insider) key(token string) (private any) {
	i.t.Helper()
	header, _ := parseToken(i.t, token)
	for _, k := range i.keys {
		if k.ID != header["kid"] {
			continue
		}
		content, err := i.ring.Sealer("signing keys").Open(k.Sealed, []byte(k.ID))
		i.must(err)
		parsed, err := jwk.ParseKey(content)
		i.must(err)
		i.must(parsed.Raw(&private))
		return private
	}
	i.t.Fatalf("no key %v in the directory", header["kid"])
	return nil
}

// events returns the audit records about somebody, the newest first.
func (i *insider) events(p *Person) []directory.Event {
	i.t.Helper()
	events, err := i.users.Events(i.t.Context(), p.ID, 100)
	i.must(err)
	return events
}

// rewrite changes a value of the store, as time would have.
func (i *insider) rewrite(key string, change func(value map[string]any)) {
	i.t.Helper()
	content, err := i.store.Get(i.t.Context(), key)
	i.must(err)
	var value map[string]any
	i.must(json.Unmarshal(content, &value))
	change(value)
	content, err = json.Marshal(value)
	i.must(err)
	i.must(i.store.Put(i.t.Context(), key, content, time.Minute))
}

// age makes the sign-in of a session older, and has the gateway look at the session again.
func (i *insider) age(token string, by time.Duration) {
	i.t.Helper()
	_, claims := parseToken(i.t, token)
	i.rewrite("session/"+claims["sid"].(string), func(value map[string]any) {
		content, err := json.Marshal(value)
		i.must(err)
		var record session.Session
		i.must(json.Unmarshal(content, &record))
		record.StartedAt = record.StartedAt.Add(-by)
		for n := range record.Methods {
			record.Methods[n].At = record.Methods[n].At.Add(-by)
		}
		content, err = json.Marshal(record)
		i.must(err)
		clear(value)
		i.must(json.Unmarshal(content, &value))
	})
	i.must(i.store.Add(i.t.Context(), "forgotten", "insider session:"+claims["sid"].(string), time.Minute))
}
