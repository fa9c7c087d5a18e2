// Package plays performs journeys against the real gateway: with a browser's
// cookie jar for each visitor, a mail server, an app behind the door, and the
// operator at a terminal.
package plays

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// A play is a journey in testdata: a txtar file that begins with what the
// visitors and the operator do, line by line, and ends with the files that they
// use, the Caddyfile first. stage_test.go lists the commands, beside those of
// testscript itself.
//
// In a Caddyfile, $PORT, $APP and $MAIL stand for the gateway's port, the app
// behind it and the mail server; $STATE stands for the store that the play runs
// on.

func TestPlays(t *testing.T) {
	perform(t, func() string { return "" }, "*")
}

// The plays that lean on the store most are performed on Redis too.

func TestPlaysOnRedisOverTCP(t *testing.T) {
	perform(t, onRedis(storetest.StartRedis(t).URL()), "api_client", "disabled", "groups", "passcode", "sessions", "sign_in", "sign_out")
}

func TestPlaysOnRedisOverAUnixSocket(t *testing.T) {
	perform(t, onRedis(storetest.StartRedis(t).SocketURL()), "passcode", "sign_in")
}

// onRedis returns what the Caddyfile of each play says to keep state in Redis: in
// a database of its own, so that no play spends the budgets of another. A store
// that others may use wants a secret that all of them have.
func onRedis(url string) func() string {
	var plays atomic.Int64
	return func() string {
		database := strconv.FormatInt(plays.Add(1), 10)
		return "store " + strings.TrimSuffix(url, "0") + database + "\n\t\tsecret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo"
	}
}

// perform runs plays, by name. state says where each keeps what expires.
func perform(t *testing.T, state func() string, names ...string) {
	t.Helper()
	var files []string
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join("testdata", name+".txtar"))
		if err != nil || len(found) == 0 {
			t.Fatalf("there is no play called %s: %v", name, err)
		}
		files = append(files, found...)
	}
	binary := testbed.Binary(t)
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			// The operator's doorward is on the path, under that name.
			bin := filepath.Join(env.WorkDir, ".bin")
			if err := os.Mkdir(bin, 0o700); err != nil {
				return err
			}
			if err := os.Symlink(binary, filepath.Join(bin, "doorward")); err != nil {
				return err
			}
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			s := newStage(env.T().(testing.TB), state())
			env.Values[stageKey{}] = s
			env.Setenv("CADDY_ADMIN", s.gateway.AdminAddr)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
	})
}
