package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/web"
)

// provisionSecret reads the secrets. Without any, one is made at the start, which
// other nodes do not have.
func (a *App) provisionSecret() error {
	if len(a.Secrets) == 0 {
		return a.checkAlone()
	}
	var secrets [][]byte
	for _, s := range a.Secrets {
		value, err := replace("secret", s)
		if err != nil {
			return err
		}
		secrets = append(secrets, []byte(strings.TrimSpace(value)))
	}
	ring, err := secret.NewRing(secrets...)
	if errors.Is(err, secret.ErrTooShort) {
		return fmt.Errorf("%w: make one with: openssl rand -base64 32", err)
	}
	a.ring = ring
	return err
}

// checkAlone refuses backends that other nodes may use, or this one from another
// machine some day: what they keep is sealed with a secret that has to be known
// there.
func (a *App) checkAlone() error {
	s, err := a.Store.resolved()
	if err != nil {
		return err
	}
	d, err := a.Directory.resolved()
	if err != nil {
		return err
	}
	for _, backend := range []struct{ kind, where string }{{"store", s.URL}, {"directory", d.URL}} {
		if _, embedded := embeddedPath(backend.where, ""); !embedded {
			return fmt.Errorf("a %s that other nodes may use wants a secret that all nodes have: secret {env.DOORWARD_SECRET}", backend.kind)
		}
	}
	return nil
}

func (a *App) provisionStore() error {
	s, err := a.Store.resolved()
	if err != nil {
		return err
	}
	if path, ok := embeddedPath(s.URL, "store.db"); ok {
		a.store, err = acquire(&a.undo, poolKey{"store", path}, func() (*pooledStore, error) {
			e := store.NewEmbedded(store.EmbeddedOptions{Path: path, Now: now})
			return &pooledStore{e, e.Open}, nil
		})
		return err
	}
	o, where, err := s.redis()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	a.store, err = acquire(&a.undo, poolKey{"store", where}, func() (*pooledStore, error) {
		r, err := store.NewRedis(o)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		return &pooledStore{r, r.Open}, nil
	})
	return err
}

func (a *App) provisionDirectory() error {
	d, err := a.Directory.resolved()
	if err != nil {
		return err
	}
	path, embedded := embeddedPath(d.URL, "directory.db")
	a.warnOfHalf(embedded)
	if embedded {
		a.directory, err = acquire(&a.undo, poolKey{"directory", path}, func() (*pooledDirectory, error) {
			return &pooledDirectory{directory.NewSQLite(directory.SQLiteOptions{Path: path, Now: now})}, nil
		})
		return err
	}
	o, where, err := d.postgres()
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	o.Now = now
	a.directory, err = acquire(&a.undo, poolKey{"directory", where}, func() (*pooledDirectory, error) {
		p, err := directory.NewPostgres(o)
		if err != nil {
			return nil, fmt.Errorf("directory: %w", err)
		}
		return &pooledDirectory{p}, nil
	})
	return err
}

// warnOfHalf says in the log that only one of the backends is one for several
// nodes. That is right on one machine, and wrong on two: they would have sessions
// in common and no users, or users in common and neither sessions nor budgets.
func (a *App) warnOfHalf(embeddedDirectory bool) {
	_, embeddedStore := a.store.Store.(*store.Embedded)
	switch {
	case embeddedDirectory && !embeddedStore:
		a.logger.Warn("the store is in Redis and the directory on this machine: several nodes need a directory in PostgreSQL, too")
	case embeddedStore && !embeddedDirectory:
		a.logger.Warn("the directory is in PostgreSQL and the store on this machine: several nodes need a store in Redis, too")
	}
}

// fingerprint stands for what identifies a connection in a pool key: that may
// have passwords in it. The parts are values all the way down, or nil.
func fingerprint(parts ...any) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%#v\n", part) // quoted, so that no two lists of parts look alike
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func (a *App) provisionMail() (err error) {
	a.letters, err = mail.NewLetters(mail.LettersOptions{Name: a.Pages.Name, Accent: a.Pages.Accent})
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	if a.Mail == nil {
		a.outbox = noOutbox{}
		return nil
	}
	if a.Mail.Log {
		return a.acquireOutbox("log", func(l *slog.Logger) mail.Sender { return mail.NewLog(l) })
	}
	m := *a.Mail
	if err := replaceAll("mail", &m.URL, &m.User, &m.Password, &m.From); err != nil {
		return err
	}
	sender, err := mail.NewSMTP(mail.SMTPOptions{
		URL: m.URL, Username: m.User, Password: m.Password, From: m.From, CACertificates: m.CA, Now: now,
	})
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return a.acquireOutbox(fingerprint(m), func(*slog.Logger) mail.Sender { return sender })
}

func (a *App) acquireOutbox(where string, sender func(*slog.Logger) mail.Sender) error {
	outbox, err := acquire(&a.undo, poolKey{"mail", where}, func() (*pooledOutbox, error) {
		return newPooledOutbox(a.logger, sender), nil
	})
	if err != nil {
		return err
	}
	a.outbox, a.mailLog = outbox, outbox.log
	return nil
}

// noOutbox is where letters go while no mail is configured: nowhere, and whoever
// asks for one is told so.
type noOutbox struct{}

func (noOutbox) Post(mail.Message) error { return mail.ErrClosed }
func (noOutbox) Full() bool              { return true }

// newPages makes the pages, and so checks what is configured of them.
func (a *App) newPages() (*web.Pages, error) {
	pages, err := web.New(web.Options{Path: a.Path, Name: a.Pages.Name, Logo: a.Pages.Logo, Accent: a.Pages.Accent})
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return pages, nil
}

func (a *App) checkPages() error {
	_, err := a.newPages()
	return err
}

func (a *App) provisionPages() (err error) {
	if a.pages, err = a.newPages(); err != nil {
		return err
	}
	// The key set is made here too, once, so that a wrong algorithm is refused
	// before anything starts.
	_, err = session.NewKeySet(session.KeyOptions{Algorithm: a.Session.Algorithm})
	return err
}
