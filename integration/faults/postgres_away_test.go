package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// A postgresFault is a way in which PostgreSQL fails.
type postgresFault struct {
	how        string
	begin, end func(*directorytest.Postgres)
	some       bool // sign-ups are answered with success meanwhile, too
}

var postgresFaults = []postgresFault{
	{how: "stopped", begin: (*directorytest.Postgres).Stop, end: (*directorytest.Postgres).Restart},
	{how: "paused", begin: (*directorytest.Postgres).Pause, end: (*directorytest.Postgres).Resume},
	{how: "full", begin: (*directorytest.Postgres).Fill, end: (*directorytest.Postgres).Free},
	{
		// Each time in the middle of whatever is under way: a transaction, too.
		how: "cutting connections", some: true,
		begin: func(p *directorytest.Postgres) {
			for began := time.Now(); time.Since(began) < *outage; {
				p.DropConnections()
				<-time.After(20 * time.Millisecond)
			}
		},
		end: func(*directorytest.Postgres) {},
	},
}

// TestPostgresAwayStopsSignUpsAndNoSession breaks PostgreSQL in all ways, one after
// the other, under one site on two nodes.
func TestPostgresAwayStopsSignUpsAndNoSession(t *testing.T) {
	server := directorytest.StartPostgresOnSmallDisk(t)
	s := startSite(t, 2, secrets+"store "+storetest.StartRedis(t).URL()+`
		directory `+server.URL()+`
		session {
			check_interval `+checkedFor.String()+`
		}`)
	members := s.members(t, 4)
	s.startTraffic(t, "warm", members).run(time.Second)
	before := s.settled(t)
	var all []member
	for _, fault := range postgresFaults {
		t.Run(fault.how, func(t *testing.T) { all = append(all, breakPostgres(t, s, members, fault, server)...) })
	}
	s.checkNoGrowth(t, before)
	s.checkUsers(t, append(all, members...))
}

func breakPostgres(t *testing.T, s *site, members []member, fault postgresFault, server *directorytest.Postgres) []member {
	f := s.startTraffic(t, fault.how[:4], members)
	testbed.Eventually(t, 20*time.Second, "a sign-up before the fault", func() bool { return f.signIns.count("finished 200") > 0 })
	began := time.Now()
	fault.begin(server)
	if !fault.some {
		testbed.Eventually(t, 30*time.Second, "sign-ups to be refused", func() bool {
			return f.signIns.count("asked 503")+f.signIns.count("finished 503") > 0
		})
		refused := f.signIns.count("finished 200")
		<-time.After(time.Until(began.Add(*outage)))
		if n := f.signIns.count("finished 200") - refused; n > 0 && fault.how != "full" {
			t.Errorf("%d sign-ups were answered with success while PostgreSQL was away", n)
		}
	}
	away := s.vitals()
	fault.end(server)
	mended := time.Now()
	signedIn := f.signIns.count("finished 200")
	for i := range s.nodes {
		p := s.program(t, i)
		testbed.Eventually(t, 10*time.Second, fmt.Sprintf("node %d to sign people up again", i), func() bool {
			p.From = network()
			_, err := p.SignIn(t.Context(), s.box, fmt.Sprintf("after-%s-%d@example.com", fault.how[:4], i))
			return err == nil
		})
	}
	back := time.Since(mended).Round(time.Millisecond)
	testbed.Eventually(t, 10*time.Second, "a sign-up after the fault", func() bool { return f.signIns.count("finished 200") > signedIn })
	f.stop()
	f.checkVisitsWentOn(t)
	s.checkMembers(t, append(f.newcomers, members...))
	t.Logf("%v; back after %v; in the middle: %v", f, back, away)
	return f.newcomers
}

// checkVisitsWentOn checks that whoever was signed in noticed nothing.
func (f *traffic) checkVisitsWentOn(t *testing.T) {
	t.Helper()
	if n := f.visits.count("503"); n > 0 || f.visits.count("200") == 0 {
		t.Errorf("visits: %v, want 200 throughout", &f.visits)
	}
}

// checkUsers checks that all who were answered with success are there, with their
// passkeys, and that nobody is there who is half written.
func (s *site) checkUsers(t *testing.T, signedUp []member) {
	t.Helper()
	known := users(t, s.nodes[0])
	passkeys := 0
	for i, m := range signedUp {
		if _, there := known[m.address]; !there {
			t.Errorf("%s signed up, and is not there", m.address)
		}
		if m.passkey == nil {
			continue
		}
		passkeys++
		if _, err := s.program(t, i%len(s.nodes)).SignInWith(m.passkey); err != nil {
			t.Errorf("the passkey of %s: %v", m.address, err)
		}
	}
	for _, u := range known {
		if u.ID == "" || u.Email == "" || !u.Verified {
			t.Errorf("half a user: %+v", u)
		}
	}
	if passkeys == 0 {
		t.Error("no passkey was answered for: that proves nothing of them")
	}
	t.Logf("%d sign-ups and %d passkeys were answered with success, and all are there", len(signedUp), passkeys)
}
