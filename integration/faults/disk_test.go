package faults

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
)

// seenEvery is how often it is noted that a session was seen, in this test: a
// thirtieth of the idle limit.
const seenEvery = 2 * time.Second

// TestFullDiskIsRefusedAndNothingIsHalfWritten fills the disk that a gateway keeps
// everything on. SQLite has some room left in its own files: a few sign-ups may
// go on.
//
// Who is signed in goes on: that they were seen is written when there is space again.
func TestFullDiskIsRefusedAndNothingIsHalfWritten(t *testing.T) {
	disk := directorytest.SmallDisk(t, 16<<20)
	s := startSite(t, 1, `store embedded:`+disk+`/store.db
		directory embedded:`+disk+`/directory.db
		session {
			check_interval `+checkedFor.String()+`
			idle `+(30*seenEvery).String()+`
		}`)
	members := s.members(t, 4)
	p := s.program(t, 0)
	early, err := p.Begin(t.Context(), s.box, "early@example.com")
	if err != nil {
		t.Fatal(err)
	}
	f := s.startTraffic(t, "full", members)
	testbed.Eventually(t, 20*time.Second, "a sign-up before the fault", func() bool { return f.signIns.count("finished 200") > 0 })

	directorytest.FillDisk(t, disk)
	filled := time.Now()
	testbed.Eventually(t, 30*time.Second, "sign-ups to be refused", func() bool {
		return f.signIns.count("asked 503")+f.signIns.count("finished 503") >= 20
	})
	<-time.After(time.Until(filled.Add(3 * seenEvery))) // so that it was to be noted that they were seen
	if !strings.Contains(s.nodes[0].Log(), "disk is full") {
		t.Error("the log does not say that the disk is full")
	}
	<-time.After(time.Until(filled.Add(*outage)))

	directorytest.FreeDisk(t, disk)
	signedIn := f.signIns.count("finished 200")
	back := testbed.Eventually(t, 10*time.Second, "sign-ups to go on", func() bool { return f.signIns.count("finished 200") > signedIn })
	f.stop()
	s.checkMembers(t, append(f.newcomers, members...))
	if _, err := p.Finish(early); err != nil {
		t.Errorf("a passcode sent before the disk was full: %v", err)
	}
	if n := f.visits.count("503"); n > 0 || f.visits.count("200") == 0 {
		t.Errorf("of those who were signed in %d were refused, want none", n)
	}
	t.Logf("%v; back after %v", f, back.Round(time.Millisecond))

	// Whoever is there has a whole account, and signs in; nobody is there twice.
	s.checkUsers(t, append(f.newcomers, members...))
	for address := range users(t, s.nodes[0]) {
		p.From = network()
		if token, err := p.SignIn(t.Context(), s.box, address); err != nil {
			t.Errorf("signing in %s: %v", address, err)
		} else if err := p.Is(address, token); err != nil {
			t.Error(err)
		}
	}
	s.nodes[0].Stop()
	for _, name := range []string{"store.db", "directory.db"} {
		if got := integrity(t, filepath.Join(disk, name)); got != "ok" {
			t.Errorf("%s after the fault: %s", name, got)
		}
	}
}

// integrity is what SQLite finds wrong with a file, or "ok".
func integrity(t *testing.T, path string) (verdict string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil {
		return fmt.Sprint(err)
	}
	return verdict
}
