package directory_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

// The synchronous standby of the server does not answer. A success would be
// lost with the primary; so there must be none, whatever the role is configured
// to be content with.
func TestNothingIsAnsweredBeforeTheStandbyHasIt(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	p := directorytest.StartPostgres(t)
	settings := []string{
		`synchronous_commit = on`, `synchronous_commit = off`, `synchronous_commit = local`, `synchronous_commit = remote_write`,
		// A server that is told to stop waiting calls the commit done.
		`statement_timeout = '300ms'`, `lock_timeout = '300ms'`, `idle_in_transaction_session_timeout = '300ms'`,
	}
	nodes := make([]*directory.Directory, len(settings))
	for i, setting := range settings {
		database := p.NewDatabase()
		p.Query(`ALTER ROLE doorward IN DATABASE ` + databaseOf(t, database) + ` SET ` + setting)
		nodes[i] = openPostgres(t, database, time.Now)
		createUser(t, nodes[i], "alice@example.com")
	}
	p.Set("synchronous_standby_names", "standby")
	waitForStandby(t, p, nodes[0])

	for i, setting := range settings {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := nodes[i].CreateUser(ctx, directory.NewUser{Address: "bob@example.com"})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: CreateUser without the standby: got error %v, want %v", setting, err, context.DeadlineExceeded)
		}
		if _, err := nodes[i].UserByAddress(t.Context(), "alice@example.com"); err != nil {
			t.Errorf("%s: reading without the standby: %v", setting, err)
		}
	}

	p.Set("synchronous_standby_names", "")
	for _, d := range nodes {
		createUser(t, d, "carol@example.com")
	}
}

// waitForStandby waits until the server makes commits wait for its standby: some
// moments after it was told to.
func waitForStandby(t testing.TB, p *directorytest.Postgres, d *directory.Directory) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = d.CreateUser(ctx, directory.NewUser{Address: directory.Address(fmt.Sprintf("user%d@example.com", i))})
		}
	})
	defer writing.Wait()
	defer cancel()
	waitFor(t, "a commit to wait for the standby", func() bool {
		return len(p.Query(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)) > 0
	})
}
