package faults

import (
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// TestPostgresFailoverLosesNoSignUp kills a primary under traffic and promotes its
// synchronous standby.
func TestPostgresFailoverLosesNoSignUp(t *testing.T) {
	primary := directorytest.StartPostgres(t)
	standby := primary.StartStandby()
	s := startSite(t, 2, secrets+"store "+storetest.StartRedis(t).URL()+`
		directory `+primary.FailoverURL(standby)+`
		session {
			check_interval `+checkedFor.String()+`
		}`)
	members := s.members(t, 4)
	f := s.startTraffic(t, "failover", members)
	testbed.Eventually(t, 30*time.Second, "sign-ups before the failover", func() bool { return f.signIns.count("finished 200") >= 10 })

	primary.Kill()
	killed := time.Now()
	testbed.Eventually(t, 10*time.Second, "a sign-up to be refused", func() bool {
		return f.signIns.count("asked 503")+f.signIns.count("finished 503") > 0
	})
	standby.Promote()
	promoted := time.Now()
	signedIn := f.signIns.count("finished 200")
	back := testbed.Eventually(t, 15*time.Second, "sign-ups to go on", func() bool { return f.signIns.count("finished 200") >= signedIn+10 })
	f.stop()
	f.checkVisitsWentOn(t)
	all := append(f.newcomers, members...)
	s.checkMembers(t, all)
	s.checkUsers(t, all)
	t.Logf("%v; promoted %v after the kill, ten sign-ups %v later", f, promoted.Sub(killed).Round(time.Millisecond), back.Round(time.Millisecond))
}
