package faults

import (
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// A redundantRedis has another server take over from one that is gone.
type redundantRedis struct {
	url      string
	servers  []*storetest.Redis
	primary  func() *storetest.Redis
	takeover func(old *storetest.Redis) *storetest.Redis // waits for it
	whole    func()                                      // waits until all servers keep up again
}

// TestNothingIsUsedTwiceAcrossAFailover has each passcode and each challenge
// finalized on two nodes at the same time, and once more at the end, while
// primaries fail. With wait 1 there is never more than one success for each.
func TestNothingIsUsedTwiceAcrossAFailover(t *testing.T) {
	t.Run("Sentinel", func(t *testing.T) {
		s := storetest.StartSentinels(t)
		failOver(t, redundantRedis{
			url: s.URL(), servers: s.Servers, primary: s.Primary, takeover: s.WaitForPrimary,
			whole: func() { s.WaitForReplicas(2) },
		})
	})
	t.Run("Cluster", func(t *testing.T) {
		c := storetest.StartCluster(t)
		const key = "doorward:key:any" // one of many
		failOver(t, redundantRedis{
			url: c.URL(), servers: c.Nodes,
			primary:  func() *storetest.Redis { return c.Primary(key) },
			takeover: func(old *storetest.Redis) *storetest.Redis { return c.WaitForPrimary(key, old) },
			whole:    c.WaitUntilWhole,
		})
	})
}

// failOver lets two primaries fail, each in its own way.
func failOver(t *testing.T, r redundantRedis) {
	s := startSite(t, 2, secrets+"store "+r.url+` {
			wait 1
		}
		directory `+directorytest.SharedPostgres(t).NewDatabase())
	d := s.startDoubleUse(t)
	testbed.Eventually(t, 30*time.Second, "sign-ins before the failover", d.goOn())

	// A primary is cut off from its replicas, takes what they have, too, and dies.
	old := r.primary()
	held := d.hold(t)
	mend := r.cutOff(old)
	d.useHeld(t, held)
	for _, u := range held {
		if u.successes.Load() > 0 {
			t.Errorf("a %s was used though no replica could confirm it", u.what)
		}
	}
	old.Stop()
	killed := time.Now()
	mend()
	r.takeover(old)
	tookOver := time.Since(killed)
	// In a cluster a primary has but one replica here: nobody confirms to the new
	// primary until the old one is back.
	old.Restart()
	afterKill := testbed.Eventually(t, 20*time.Second, "sign-ins after the kill", d.goOn())
	r.whole()

	// A primary falls silent, is replaced, and wakes up again.
	old = r.primary()
	old.Pause()
	r.takeover(old)
	old.Resume() // it does not know yet that it is not the primary any more
	afterPause := testbed.Eventually(t, 20*time.Second, "sign-ins after the pause", d.goOn())
	r.whole()
	d.stop()
	d.replay(t)

	once, never := d.check(t)
	t.Logf("took over %v after the kill; sign-ins of both kinds on both nodes %v after that, and %v after the second failover",
		tookOver.Round(time.Millisecond), afterKill.Round(time.Millisecond), afterPause.Round(time.Millisecond))
	t.Logf("%d passcodes and challenges were used once, %d never, none twice; answers to each two: %v", once, never, &d.pairs)
}

// cutOff cuts a primary off from its replicas, and returns what lets them go on.
// They do not connect again while they are paused, which is too short for anybody
// to take them for dead.
func (r redundantRedis) cutOff(primary *storetest.Redis) (mend func()) {
	var paused []*storetest.Redis
	for _, server := range r.servers {
		if role, _ := server.Must("role").([]any); role[0] == "slave" {
			server.Pause()
			paused = append(paused, server)
		}
	}
	primary.Must("client", "kill", "type", "replica")
	return func() {
		for _, server := range paused {
			server.Resume()
		}
	}
}
