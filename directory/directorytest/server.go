//go:build unix

package directorytest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startPatience is how long a server may take to start, or to recover.
const startPatience = time.Minute

// noContext is for what is done after a test, whose context has ended.
var noContext = context.Background()

// A server is the process, and what it keeps on disk.
type server struct {
	programs string // folder of initdb and postgres
	dir      string // of data, socket and log
	disk     string // folder of a small file system for tables; may be empty
	port     string

	databases atomic.Int64 // made so far

	process *exec.Cmd
	life    *os.File      // the server runs while it is open
	exited  chan struct{} // closed when process has ended
	paused  []int         // processes that are stopped
}

// newServer makes a server and starts it.
func newServer(disk string) (_ *server, err error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	// Not t.TempDir: the path of a socket may have some 100 bytes at most, and
	// that of a test is named after it.
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	s := &server{programs: programs, dir: dir, disk: disk}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if err := s.initialize(); err != nil {
		return nil, err
	}
	// Someone may take the port between our asking for a free one and the
	// server's using it: then the server ends, and we ask again.
	for range 5 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.start(); err == nil {
			return s, s.makeRole()
		}
	}
	return nil, err
}

// findPrograms returns the folder of the newest PostgreSQL. Debian keeps the
// server's programs out of PATH.
func findPrograms() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "initdb")); err == nil {
				return filepath.Dir(path), nil
			}
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("install the PostgreSQL server (on Debian: apt install postgresql): neither PATH nor /usr/lib/postgresql has it")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// unprivileged returns who the server runs as if we are root, which it refuses
// to be, and nil otherwise.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
	}
	return nil, errors.New("PostgreSQL does not run as root: make a user called postgres")
}

// command returns a command that runs as the server does. Nothing of our
// environment gets through: PGPORT and its like would be obeyed.
func (s *server) command(name string, args ...string) (*exec.Cmd, error) {
	credential, err := unprivileged()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "DIR=" + s.dir}
	// A group of its own, which what interrupts the test does not reach.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setpgid: true}
	return cmd, nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// initialize makes the server's files.
func (s *server) initialize() error {
	initdb, err := s.command(filepath.Join(s.programs, "initdb"),
		"--pgdata", s.data(), "--username", adminRole, "--encoding", "UTF8", "--no-locale",
		"--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync")
	if err != nil {
		return err
	}
	if credential := initdb.SysProcAttr.Credential; credential != nil {
		for _, path := range []string{s.dir, s.disk} {
			if path == "" {
				continue
			}
			if err := os.Chown(path, int(credential.Uid), int(credential.Gid)); err != nil {
				return err
			}
		}
	}
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

// run makes the server of the shell, and leaves a watcher behind, which ends
// the server and removes its files when standard input ends: when the test
// process is gone, in whatever way, without a cleanup. A line tells the watcher
// that it is not needed any more.
const run = `
exec 3<&0 </dev/null
(
	if read -r line <&3; then exit; fi
	pid=$DIR/data/postmaster.pid
	[ "$(head -n 1 "$pid")" = $$ ] && kill -QUIT $$ && kill -CONT $$
	for i in 1 2 3 4 5 6 7 8 9 10; do [ -e "$pid" ] && sleep 1; done
	rm -rf "$DIR"
) >/dev/null 2>&1 &
exec "$@" 3<&-`

// start runs the server and waits until it takes connections.
func (s *server) start() error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	process, err := s.command("/bin/sh", "-c", run, "sh", filepath.Join(s.programs, "postgres"),
		"-D", s.data(), "-h", "127.0.0.1", "-p", s.port, "-k", s.dir, "-N", "200", "-c", "fsync=on")
	if err != nil {
		return err
	}
	stdin, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	process.Stdin, process.Stdout, process.Stderr = stdin, log, log
	if err := process.Start(); err != nil {
		life.Close()
		return err
	}
	s.process, s.life, s.exited = process, life, make(chan struct{})
	go func(exited chan struct{}) {
		defer close(exited)
		_ = process.Wait()
	}(s.exited)

	for deadline := time.Now().Add(startPatience); ; {
		if s.answers() {
			return nil
		}
		select {
		case <-s.exited:
			s.stop()
			return fmt.Errorf("postgres has ended:\n%s", s.log())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.stop()
			return fmt.Errorf("postgres does not answer after %v:\n%s", startPatience, s.log())
		}
	}
}

func (s *server) answers() bool {
	ctx, cancel := context.WithTimeout(noContext, 5*time.Second)
	defer cancel()
	conn, err := s.connect(ctx, "postgres")
	if err != nil {
		return false
	}
	conn.Close(ctx)
	return true
}

// makeRole makes the role of the URLs.
func (s *server) makeRole() error {
	statements := []string{`CREATE ROLE ` + role + ` LOGIN PASSWORD '` + strings.ReplaceAll(password, `'`, `''`) + `'`}
	if s.disk != "" {
		statements = append(statements,
			`CREATE TABLESPACE small OWNER `+role+` LOCATION '`+s.disk+`'`,
			`ALTER ROLE `+role+` SET default_tablespace = small`)
	}
	for _, statement := range statements {
		if _, err := s.query(noContext, "postgres", statement); err != nil {
			return fmt.Errorf("making role: %w", err)
		}
	}
	return nil
}

func (s *server) nextDatabase() string {
	return fmt.Sprintf("%s%d", role, s.databases.Add(1))
}

// connect connects as the superuser, who needs no password on the socket.
func (s *server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=%s port=%s user=%s dbname=%s", s.dir, s.port, adminRole, database))
}

// query runs a statement as the superuser and returns its rows as text.
func (s *server) query(ctx context.Context, database, statement string, args ...any) ([]string, error) {
	conn, err := s.connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(noContext)
	rows, err := conn.Query(ctx, statement, append([]any{pgx.QueryExecModeExec, pgx.QueryResultFormats{pgx.TextFormatCode}}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var line []string
		for _, column := range row.RawValues() {
			line = append(line, string(column))
		}
		return strings.Join(line, "|"), nil
	})
}

// pause stops all processes of the server.
func (s *server) pause(ctx context.Context) error {
	conn, err := s.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { go conn.Close(noContext) }() // it will not be answered
	// First the one that would start others.
	if err := s.pauseProcess(s.process.Process.Pid); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT pid FROM pg_stat_activity`)
	if err != nil {
		return err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return err
	}
	for _, pid := range pids {
		// One of them may have ended since it was listed.
		if err := s.pauseProcess(pid); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

func (s *server) pauseProcess(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	s.paused = append(s.paused, pid)
	return nil
}

// resume lets the processes go on in the order they were stopped.
func (s *server) resume() {
	for _, pid := range s.paused {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	s.paused = nil
}

// stop ends a server that runs.
func (s *server) stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(syscall.SIGQUIT) // an immediate shutdown
	s.resume()
	<-s.exited
	_, _ = s.life.WriteString("done\n")
	_ = s.life.Close()
	s.process = nil
}

// remove ends the server and leaves nothing of it.
func (s *server) remove() {
	s.stop()
	_ = os.RemoveAll(s.dir)
}

func (s *server) log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if errors.Is(err, fs.ErrNotExist) {
		return "no log"
	}
	return string(b)
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}
