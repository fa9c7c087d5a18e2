package ceremonies

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// A site is a gateway and the people who sign in there.
type site struct {
	name      string
	embedded  bool
	binary    string               // of the gateway; empty: that of this repository
	option    string               // store and directory, in the gateway's configuration
	directory *directory.Directory // another hand at the gateway's
	gateway   *testbed.Gateway
	letters   *letters
	programs  []*testbed.Program
	people    []*person
	next      int // of people, whose turn it is
	signedIn  int
}

// A person is a user with a passkey.
type person struct {
	id, address string
	key         *authenticator.Authenticator
}

// states are where sites keep their state, and how it is made ready.
var states = []struct {
	name     string
	embedded bool
	prepare  func(t *testing.T, s *site)
}{
	{"embedded state", true, prepareEmbedded},
	{"Redis and PostgreSQL", false, prepareShared},
}

// prepareEmbedded has s keep its state in files of this machine.
func prepareEmbedded(t *testing.T, s *site) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "directory.db")
	s.option = "store embedded:" + filepath.Join(dir, "store.db") + "\n\t\tdirectory embedded:" + file
	s.directory = directory.NewSQLite(directory.SQLiteOptions{Path: file})
}

// prepareShared has s keep its state in Redis and PostgreSQL, which have their default
// settings.
func prepareShared(t *testing.T, s *site) {
	t.Helper()
	where := directorytest.StartPostgres(t).NewDatabase()
	d, err := directory.NewPostgres(directory.PostgresOptions{URL: where})
	if err != nil {
		t.Fatal(err)
	}
	s.option = "store " + storetest.StartRedis(t).URL() + "\n\t\tdirectory " + where
	s.directory = d
}

// open starts the gateway, and gives it so many users.
func (s *site) open(t *testing.T, users int) {
	t.Helper()
	s.letters = newLetters(t)
	s.gateway = testbed.Prepare(t, testbed.Options{Binary: s.binary, Quiet: true, Caddyfile: `{
	` + testbed.TrustPrograms + `
	doorward {
		secret mJ4pXc8uWq2ZtR7bLk1vYs6nDf3hGa9e
		` + s.option + `
		mail ` + s.letters.URL() + ` {
			from "Doorward <door@example.com>"
		}
		limits {
			letters 100 1h
			tries 100 1h
		}
	}
}
http://localhost:$PORT {
	bind $HOST
	doorward {
		allow *@example.com
	}
	respond "{http.auth.user.email}"
}
`})
	if err := s.directory.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.directory.Close(); err != nil {
			t.Error(err)
		}
	})
	s.people = make([]*person, users)
	err := parallel(t.Context(), 8, users, func(_, i int) (err error) {
		s.people[i], err = s.settle(t, i)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.gateway.Start(); err != nil {
		t.Fatalf("starting the gateway: %v\n%s", err, s.gateway.Log())
	}
}

// settle makes a user with a passkey.
func (s *site) settle(t *testing.T, i int) (*person, error) {
	p := &person{address: fmt.Sprintf("user%d.%d@example.com", i, s.gateway.Port)} // no other site's
	user, err := s.directory.CreateUser(t.Context(), directory.NewUser{Address: directory.Address(p.address), Verified: true})
	if err != nil {
		return nil, err
	}
	p.id = user.ID
	key, err := authenticator.NewKey(authenticator.ES256)
	if err != nil {
		return nil, err
	}
	c := &authenticator.Credential{ID: fmt.Appendf(nil, "passkey of user %016d", i), RPID: "localhost", UserHandle: user.Handle(), Key: key}
	p.key = &authenticator.Authenticator{Origin: s.gateway.URL, Synced: true, Credentials: []*authenticator.Credential{c}}
	return p, s.directory.AddPasskey(t.Context(), directory.Passkey{
		ID: c.ID, UserID: user.ID, RPID: c.RPID, PublicKey: key.COSE(), AAGUID: make([]byte, 16),
		AttestationType: "none", AttestationFormat: "none", UserPresent: true, UserVerified: true,
		BackupEligible: true, BackupState: true, Discoverable: true,
	})
}

// crowd returns the n users who sign in next. Nobody signs in twice before all have.
func (s *site) crowd(n int) []*person {
	crowd := make([]*person, n)
	for i := range crowd {
		crowd[i] = s.people[(s.next+i)%len(s.people)]
	}
	s.next += n
	return crowd
}

// networks counts the client networks that people sign in from. Each has a budget.
var networks atomic.Uint32

// devices returns n programs to sign in with, which keep their connections. Their
// answers are not held to the contract: others do that, and here it takes time.
func (s *site) devices(t *testing.T, n int) []*testbed.Program {
	t.Helper()
	for len(s.programs) < n {
		p := testbed.NewProgram(t, s.gateway, "")
		p.HTTP.Transport = p.Wire
		p.KeepConnections()
		s.programs = append(s.programs, p)
	}
	return s.programs[:n]
}

// move gives a program a network that nobody has signed in from.
func move(p *testbed.Program) {
	n := networks.Add(1)
	p.From = fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&0xff, n&0xff)
}

// check holds the audit records to the sign-ins that were answered with success.
func (s *site) check(t *testing.T) {
	t.Helper()
	events, err := s.directory.Events(t.Context(), "", s.signedIn+1)
	if err != nil {
		t.Fatal(err)
	}
	recorded := 0
	for _, e := range events {
		if e.Type == "signed_in" {
			recorded++
		}
	}
	if recorded != s.signedIn {
		t.Errorf("%s: %d sign-ins are in the audit records, want %d", s.name, recorded, s.signedIn)
	}
}
