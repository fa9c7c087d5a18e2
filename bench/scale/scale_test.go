// Package scale measures what a directory of many users, and a store of many
// sessions, costs: how long signing in takes, how much memory a session needs,
// how long a gateway takes to start. What it measures is the real thing: gateway
// processes, asked over HTTP, on PostgreSQL and Redis, and with embedded state.
//
// The sites that are compared stand side by side, and are asked by turns in an
// order that is drawn: what else the machine does hits all of them. So the growth
// from the smallest to the largest can be told on a machine whose figures differ
// from those of yesterday.
//
// In the ordinary tests the sites are small, and only what they answer is judged.
// scripts/scale sets the flags that make them large, and prints a table.
package scale

import (
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/store/storetest"
)

var (
	sizes   = flag.String("sizes", "100,300", "users of each site, the smallest first")
	signIns = flag.Int("signins", 10, "sign-ins of each kind that are timed at each site")
	starts  = flag.Int("starts", 1, "starts of each gateway that are timed")
	cached  = flag.Int("cached", 50, "sessions that are used at each gateway, to see what one costs there")
	table   = flag.Bool("table", false, "print a table")
	flat    = flag.Float64("flat", 0, "fail if a figure grows to more than this, times what it is at the first site; 0: judge no figure")
)

// siteSizes returns the flag's.
func siteSizes(t *testing.T) []int {
	t.Helper()
	var list []int
	for size := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			t.Fatalf("-sizes %s: want numbers of users, as in 1000,100000", *sizes)
		}
		list = append(list, n)
	}
	return list
}

// TestScaleWithPostgreSQLAndRedis is about what several nodes share. The servers
// have their default settings; each site has a Redis and a database of its own,
// and one session for each user.
func TestScaleWithPostgreSQLAndRedis(t *testing.T) {
	server := directorytest.StartPostgres(t)
	var sites []*site
	for _, size := range siteSizes(t) {
		where := server.NewDatabase()
		d, err := directory.NewPostgres(directory.PostgresOptions{URL: where})
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(size, d)
		s.redis = storetest.StartRedis(t)
		s.option = `store ` + s.redis.URL() + ` {
			timeout ` + redisTimeout.String() + `
			pool_timeout ` + redisTimeout.String() + `
		}
		directory ` + where
		s.settle = func() {
			// What the server does by itself within minutes, and not while others
			// are measured.
			server.QueryIn(where, `VACUUM (ANALYZE)`)
			server.QueryIn(where, `CHECKPOINT`)
		}
		s.onDisk = func() int64 {
			n, err := strconv.ParseInt(server.QueryIn(where, `SELECT pg_database_size(current_database())`)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		sites = append(sites, s)
	}
	versions := []string{
		"PostgreSQL " + server.Query(`SHOW server_version`)[0],
		"Redis " + redisInfo(t, sites[0].redis, "server", "redis_version"),
	}
	measure(t, "PostgreSQL and Redis", versions, sites)
}

// TestScaleWithEmbeddedState is about one machine by itself.
func TestScaleWithEmbeddedState(t *testing.T) {
	var sites []*site
	for _, size := range siteSizes(t) {
		dir := t.TempDir()
		file := filepath.Join(dir, "directory.db")
		s := newSite(size, directory.NewSQLite(directory.SQLiteOptions{Path: file}))
		s.option = "store embedded:" + filepath.Join(dir, "store.db") + "\n\t\tdirectory embedded:" + file
		s.onDisk = func() int64 { return fileSizes(t, file+"*") }
		sites = append(sites, s)
	}
	measure(t, "Embedded state", []string{moduleVersion(t, "modernc.org/sqlite")}, sites)
}

// measure fills the sites, measures them side by side, and prints what it found.
func measure(t *testing.T, title string, versions []string, sites []*site) {
	t.Helper()
	for _, s := range sites {
		s.fill(t)
	}
	timeStarts(t, sites)
	for _, s := range sites {
		if s.redis != nil {
			s.fillSessions(t)
			s.useSessions(t)
		}
	}
	timeSignIns(t, sites)
	for _, s := range sites {
		s.check(t)
	}
	figures := compare(sites)
	if *table {
		fmt.Print(markdown(t, title, versions, sites, figures))
	}
	for _, f := range figures {
		if *flat > 0 && f.judged && f.growth() > *flat {
			t.Errorf("%s: %.2f times as much for %d users as for %d, want %.1f at most",
				f.name, f.growth(), sites[len(sites)-1].people.size, sites[0].people.size, *flat)
		}
	}
}
