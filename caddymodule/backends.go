package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/web"
)

// replace replaces placeholders; one that stands for nothing is an error.
func replace(what, s string) (string, error) {
	replaced, err := caddy.NewReplacer().ReplaceOrErr(s, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return replaced, nil
}

func (a *App) provisionSecret() error {
	if len(a.Secrets) == 0 {
		where, err := replace("store", a.Store)
		if err != nil {
			return err
		}
		if _, embedded := embeddedPath(where, ""); !embedded {
			return errors.New("a store that other nodes may use wants a secret that all nodes have: secret {env.DOORWARD_SECRET}")
		}
		return nil
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

// embeddedPath returns the file of an embedded backend, and whether where names
// one.
func embeddedPath(where, name string) (path string, ok bool) {
	kind, path, _ := strings.Cut(where, ":")
	if where != "" && kind != "embedded" {
		return "", false
	}
	if path == "" {
		path = filepath.Join(dataDir(), name)
	}
	if absolute, err := filepath.Abs(path); err == nil { // one file, one pool key
		path = absolute
	}
	return path, true
}

// dataDir is where embedded state lives.
func dataDir() string { return filepath.Join(caddy.AppDataDir(), "doorward") }

func (a *App) provisionStore() error {
	where, err := replace("store", a.Store)
	if err != nil {
		return err
	}
	if path, ok := embeddedPath(where, "store.db"); ok {
		a.store, err = acquire(&a.undo, poolKey{"store", path}, func() (*pooledStore, error) {
			s := store.NewEmbedded(store.EmbeddedOptions{Path: path})
			return &pooledStore{s, s.Open}, nil
		})
		return err
	}
	a.store, err = acquire(&a.undo, poolKey{"store", fingerprint(where)}, func() (*pooledStore, error) {
		s, err := store.NewRedis(store.RedisOptions{URL: where})
		if err != nil {
			return nil, fmt.Errorf("store: want embedded, embedded:/path/to/file, or a Redis URL: %w", err)
		}
		return &pooledStore{s, s.Open}, nil
	})
	return err
}

// fingerprint stands for a URL in a pool key: the URL may hold a password.
func fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func (a *App) provisionDirectory() error {
	where, err := replace("directory", a.Directory)
	if err != nil {
		return err
	}
	path, ok := embeddedPath(where, "directory.db")
	if !ok {
		return fmt.Errorf("directory: want embedded or embedded:/path/to/file")
	}
	a.directory, err = acquire(&a.undo, poolKey{"directory", path}, func() (*pooledDirectory, error) {
		return &pooledDirectory{directory.NewSQLite(directory.SQLiteOptions{Path: path})}, nil
	})
	return err
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
	for _, f := range []*string{&m.URL, &m.User, &m.Password, &m.From} {
		if *f, err = replace("mail", *f); err != nil {
			return err
		}
	}
	sender, err := mail.NewSMTP(mail.SMTPOptions{
		URL: m.URL, Username: m.User, Password: m.Password, From: m.From, CACertificates: m.CA,
	})
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return a.acquireOutbox(fingerprint(m.URL, m.User, m.Password, m.From, m.CA), func(*slog.Logger) mail.Sender { return sender })
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
