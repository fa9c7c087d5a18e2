package scale

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/store/storetest"
)

// secretText is what all keys of the sites are derived from.
const secretText = "5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo"

// A site is a gateway with a directory of its own.
type site struct {
	people    *population
	directory *directory.Directory // another hand at the gateway's
	redis     *storetest.Redis     // nil if the store is embedded
	option    string               // store and directory, in the gateway's configuration
	settle    func()               // has the database finish what it puts off; may be nil
	onDisk    func() int64         // bytes of the directory
	size      int

	gateway *testbed.Gateway
	box     *mailtest.Mailbox
	tokens  []string // of every tokenEvery-th user
	signed  int      // sign-ins that were answered with success

	took struct {
		fill, sessions time.Duration
		starts         durations
		signIns        map[line]durations
	}
	bytes struct {
		directory             int64   // on disk
		redis                 float64 // for each session, in all
		record, subject, list int64   // of which Redis says that a key takes so much
		heap                  float64 // for each session that a node keeps in memory
		all                   int64   // the node's whole heap, after using sessions
		resident              int64   // the node's memory then, with garbage
		used                  int     // sessions that were used at the node
	}
}

func newSite(size int, d *directory.Directory) *site {
	s := &site{size: size, directory: d, settle: func() {}}
	s.took.signIns = make(map[line]durations)
	return s
}

// fill puts the users into the directory, as doorward import does, and makes a
// gateway for it, which is not started yet.
func (s *site) fill(t *testing.T) {
	t.Helper()
	var err error
	if s.people, err = newPopulation(s.size); err != nil {
		t.Fatal(err)
	}
	if err := s.directory.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.directory.Close(); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	r, w := io.Pipe()
	go func() { w.CloseWithError(s.people.writeTo(w)) }()
	summary, err := s.directory.Import(t.Context(), r, directory.ImportOptions{Progress: reporter(t, "importing")})
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	s.took.fill = time.Since(began)
	if want := s.people.counts(); summary.Counts != want {
		t.Errorf("imported %+v, want %+v", summary.Counts, want)
	}
	s.settle()
	s.bytes.directory = s.onDisk()
	t.Logf("%d users: in the directory after %v, %d MB", s.size, s.took.fill.Round(time.Millisecond), s.bytes.directory/1e6)

	s.box = mailtest.Start(t, mailtest.Options{})
	s.gateway = testbed.Prepare(t, testbed.Options{Quiet: true, Caddyfile: `{
	` + testbed.TrustPrograms + `
	doorward {
		secret ` + secretText + `
		` + s.option + `
		mail ` + s.box.URL() + ` {
			from "Doorward <door@example.com>"
		}
		session {
			lifetime ` + sessionLifetime.String() + `
			idle ` + sessionLifetime.String() + `
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
}

// reporter tells how far a directory has come, every half minute.
func reporter(t *testing.T, doing string) func(directory.Progress) {
	told := time.Now()
	return func(p directory.Progress) {
		if time.Since(told) > 30*time.Second {
			told = time.Now()
			t.Logf("%s: %d of %d users, %d of %d audit records", doing, p.Done.Users, p.Total.Users, p.Done.Events, p.Total.Events)
		}
	}
}

// program returns a program that talks to the site's gateway and keeps its
// connection.
func (s *site) program(t *testing.T) *testbed.Program {
	t.Helper()
	p := testbed.NewProgram(t, s.gateway, "")
	p.HTTP.Transport = p.Wire // what is measured is the gateway, without the checks of the contract
	p.KeepConnections()
	return p
}

// check holds the directory to what it was filled with, and to the sign-ins since.
func (s *site) check(t *testing.T) {
	t.Helper()
	const page = 5000
	users, after := 0, ""
	for {
		list, err := s.directory.Users(t.Context(), after, page)
		if err != nil {
			t.Fatal(err)
		}
		users += len(list)
		if len(list) < page {
			break
		}
		after = list[page-1].ID
	}
	if users != s.size {
		t.Errorf("the directory has %d users, want %d", users, s.size)
	}
	events, err := s.directory.Events(t.Context(), "", s.signed+1)
	if err != nil {
		t.Fatal(err)
	}
	recorded := 0
	for _, e := range events {
		if e.Type == "signed_in" {
			recorded++
		}
	}
	if recorded != s.signed {
		t.Errorf("%d sign-ins are in the audit records, want %d", recorded, s.signed)
	}
	identities := handlers.Identities{Directory: s.directory, Now: func() time.Time { return time.Time{} }}
	for n := range min(len(s.people.sample), 100) {
		id := s.people.id(n * s.people.every)
		want, err := s.people.Of(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := identities.Of(t.Context(), id); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("the directory says of %s: %+v, %v; want %+v", id, got, err, want)
		}
	}
}

// timeStarts starts each gateway again and again, by turns, and takes the time
// from its being executed to its first answer that it is ready. It leaves all of
// them running.
func timeStarts(t *testing.T, sites []*site) {
	t.Helper()
	for range *starts {
		for _, s := range shuffled(sites) {
			s.gateway.Stop()
			s.took.starts = append(s.took.starts, s.start(t))
		}
	}
}

// start starts the gateway, and returns how long it took to be ready.
func (s *site) start(t *testing.T) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type readiness struct {
		after time.Duration
		err   error
	}
	ready := make(chan readiness, 1)
	began := time.Now()
	go func() {
		err := untilReady(ctx, "http://"+s.gateway.Addr+"/doorward/health/ready")
		ready <- readiness{time.Since(began), err}
	}()
	if err := s.gateway.Start(); err != nil {
		t.Fatalf("starting the gateway: %v\n%s", err, s.gateway.Log())
	}
	r := <-ready
	if r.err != nil {
		t.Fatalf("the gateway does not get ready: %v\n%s", r.err, s.gateway.Log())
	}
	return r.after
}

func untilReady(ctx context.Context, url string) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := http.Get(url)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}
