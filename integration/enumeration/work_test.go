package enumeration

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/store/storetest"
)

// A gateway that does as much for everybody needs no clock to be fooled. Redis and
// PostgreSQL say what they were asked: the same commands on the same kinds of keys and
// the same statements, in the same order, whoever a stranger asks about.
func TestServersDoTheSameWorkForEverybody(t *testing.T) {
	t.Parallel()
	redis, postgres := storetest.StartRedis(t), directorytest.StartPostgres(t)
	url := postgres.URL()
	people, err := directory.NewPostgres(directory.PostgresOptions{URL: url})
	check(t, err)
	all := make(map[string]map[string]person)
	fill(t, people, func(d *directory.Directory) { all = everybody(t, d, labours, kinds) })
	h := openHouse(t, settings{state: fmt.Sprintf("secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo\nstore %s\ndirectory %s", redis.URL(), url)}, nil)
	for _, j := range labours { // Redis learns scripts when they are first asked for
		first := kinds[0]
		j.run(h.stranger(t, first.new(t, nil)))
	}
	watch := watchWork(t, redis, postgres)
	for _, j := range labours {
		found := h.inOneHour(func(bool) []string {
			var (
				found []string
				want  []string
			)
			for i, k := range kinds {
				s := h.stranger(t, all[j.name][k.name])
				j.run(s)
				got := watch.done(s)
				if i == 0 {
					want = got
				}
				if !slices.Equal(got, want) {
					found = append(found, fmt.Sprintf("%s, about somebody %s:\n%s", j.name, k.name,
						firstDifference(strings.Join(got, "\n"), strings.Join(want, "\n"), kinds[0].name)))
				}
			}
			t.Logf("%s: %d commands and statements", j.name, len(want))
			if len(want) == 0 {
				found = append(found, j.name+": nothing was seen")
			}
			return found
		})
		for _, difference := range found {
			t.Error(difference)
		}
	}
}

// labours are the requests whose work is compared, one at a time.
var labours = []journey{
	{"initialize", func(s *stranger) { s.call("POST", initialize, s.json("email", s.about.typed)) }},
	{"initialize, by ID", func(s *stranger) { s.call("POST", initialize, s.json("user_id", s.about.userID)) }},
	{"three guesses", func(s *stranger) { s.guess(s.call("POST", initialize, s.json("email", s.about.typed))) }},
	{"three guesses, by ID", func(s *stranger) { s.guess(s.call("POST", initialize, s.json("user_id", s.about.userID))) }},
	{"users", func(s *stranger) { s.call("POST", "/doorward/users", s.json("email", s.about.typed)) }},
	{"a passkey login", func(s *stranger) {
		s.call("POST", "/doorward/webauthn/login/initialize", s.json("user_id", s.about.userID))
	}},
	{"the pages", func(s *stranger) {
		s.submit("/doorward/login", "email", s.about.typed, "return", "/")
		s.submit("/doorward/login/passcode", "passcode", wrong, "return", "/")
	}},
}

// A watcher sees what Redis and PostgreSQL are asked for.
type watcher struct {
	t        testing.TB
	redis    *storetest.Redis
	commands chan string
	postgres *directorytest.Postgres
	log      string // where PostgreSQL's is
	read     int    // of it
}

func watchWork(t testing.TB, redis *storetest.Redis, postgres *directorytest.Postgres) *watcher {
	t.Helper()
	postgres.Set("log_statement", "all")
	w := &watcher{t: t, redis: redis, postgres: postgres, commands: make(chan string, 1<<16)}
	w.log = filepath.Join(postgres.Query(`SHOW unix_socket_directories`)[0], "log")
	conn, err := net.Dial("tcp", redis.Addr)
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprint(conn, "MONITOR\r\n")
	check(t, err)
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || lines.Text() != "+OK" {
		t.Fatalf("MONITOR: %q, %v", lines.Text(), lines.Err())
	}
	go func() {
		for lines.Scan() {
			w.commands <- lines.Text()
		}
	}()
	return w
}

var (
	// quoted are the words of a command, as MONITOR writes them.
	quoted     = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	mailboxes  = regexp.MustCompile(`p[0-9]{6}@example\.(com|net)`)
	challenges = regexp.MustCompile(`(passkey/login/)[A-Za-z0-9_-]{43}$`)
	windows    = regexp.MustCompile(`/[0-9a-z]{3,}$`)
)

// done returns what was done since the last call, for s alone: what the gateway does
// by itself, such as to look after its keys, is left out.
func (w *watcher) done(s *stranger) []string {
	w.t.Helper()
	mark := uuid.NewString()
	w.redis.Must("ECHO", mark)
	var work []string
	for over := false; !over; {
		select {
		case line := <-w.commands:
			if over = strings.Contains(line, mark); over || strings.Contains(line, " lua] ") {
				continue // what a script does is that of the command that runs it
			}
			var words []string
			for _, word := range quoted.FindAllStringSubmatch(line, -1) {
				words = append(words, word[1])
			}
			if i := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "doorward:key:") }); i > 0 && !strings.HasPrefix(words[i], "doorward:key:session/") {
				work = append(work, "redis: "+strings.ToLower(words[0])+" "+s.role(words[i]))
			}
		case <-time.After(20 * time.Second):
			w.t.Fatal("Redis does not say what it was asked")
		}
	}
	for _, statement := range w.statements(mark) {
		if strings.Contains(statement, " users ") || strings.Contains(statement, " emails ") || strings.Contains(statement, " passkeys ") || strings.Contains(statement, "events") {
			work = append(work, "postgres: "+statement)
		}
	}
	return work
}

// role returns a key of the store without whom it is about.
func (s *stranger) role(key string) string {
	key = strings.ReplaceAll(strings.ReplaceAll(key, "nobody/", ""), "@invalid", "")
	for what, with := range map[*regexp.Regexp]string{uuids: "<somebody>", mailboxes: "<somebody>", challenges: "$1<challenge>"} {
		key = what.ReplaceAllString(key, with)
	}
	return windows.ReplaceAllString(strings.ReplaceAll(key, s.from.String(), "<network>"), "/<window>")
}

// statements returns what PostgreSQL was asked since the last call, up to mark.
func (w *watcher) statements(mark string) []string {
	w.t.Helper()
	w.postgres.Query(`SELECT '` + mark + `'`)
	var log string
	for deadline := time.Now().Add(20 * time.Second); ; {
		log = w.postgres.Query(`SELECT pg_read_file($1)`, w.log)[0]
		if strings.Contains(log[w.read:], mark) {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatal("PostgreSQL does not say what it was asked")
		}
	}
	since := log[w.read:]
	w.read = len(log)
	var statements []string
	for line := range strings.Lines(strings.ReplaceAll(since, "\n\t", " ")) {
		if _, statement, ok := strings.Cut(line, "LOG:  execute "); ok {
			_, statement, _ = strings.Cut(statement, ": ")
			statements = append(statements, strings.Join(strings.Fields(statement), " "))
		}
	}
	return statements
}
