//go:build unix

package directorytest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// StartStandby runs a second server until the test ends, which has what p has. It
// is synchronous: from now on p confirms no commit before it is on the disk of
// both.
func (p *Postgres) StartStandby() *Postgres {
	p.t.Helper()
	standby, err := p.newStandby()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(standby.remove)
	p.Set("synchronous_standby_names", "*")
	p.until("the standby is synchronous", func() bool {
		rows, err := p.query(p.t.Context(), "postgres", `SELECT sync_state FROM pg_stat_replication`)
		return err == nil && len(rows) == 1 && rows[0] == "sync"
	})
	return &Postgres{server: standby, t: p.t}
}

// newStandby copies the files of p and starts a server on them.
func (p *Postgres) newStandby() (_ *server, err error) {
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	s := &server{programs: p.programs, dir: dir}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	copying, err := s.command(filepath.Join(s.programs, "pg_basebackup"),
		"--pgdata", s.data(), "--host", p.dir, "--port", p.port, "--username", adminRole,
		"--write-recovery-conf", "--checkpoint", "fast", "--wal-method", "stream", "--no-sync")
	if err != nil {
		return nil, err
	}
	if attr := copying.SysProcAttr; attr != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			return nil, err
		}
	}
	if output, err := copying.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w\n%s", err, output)
	}
	for range 5 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// Promote makes a standby the primary, and returns when it takes writes.
func (p *Postgres) Promote() {
	p.t.Helper()
	if _, err := p.query(p.t.Context(), "postgres", `SELECT pg_promote()`); err != nil {
		p.t.Fatalf("promoting the standby: %v", err)
	}
	p.until("the standby takes writes", func() bool {
		rows, err := p.query(p.t.Context(), "postgres", `SELECT pg_is_in_recovery()`)
		return err == nil && len(rows) == 1 && rows[0] == "f"
	})
}

// Kill ends the server as kill -9 of its first process does: it does not get to
// say goodbye to anybody.
func (p *Postgres) Kill() {
	_ = p.process.Process.Kill()
	p.stop()
}

// FailoverURL returns a URL of the database of URL on p and on a standby of it:
// on whichever of them takes writes.
func (p *Postgres) FailoverURL(standby *Postgres) string {
	p.t.Helper()
	u, err := url.Parse(p.URL())
	if err != nil {
		p.t.Fatal(errors.Unwrap(err)) // without the URL
	}
	u.Host = "127.0.0.1:" + p.port + ",127.0.0.1:" + standby.port
	u.RawQuery = "sslmode=disable&target_session_attrs=read-write"
	return u.String()
}

// until waits until is says so.
func (p *Postgres) until(what string, is func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(startPatience); !is(); {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited %v in vain: %s", startPatience, what)
		}
		<-time.After(10 * time.Millisecond)
	}
}
