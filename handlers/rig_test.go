package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/web"
)

const (
	host   = "app.example.com"
	origin = "https://" + host
)

// rig is a door with all that is behind it, and real but for the clock and the
// last step of the mail.
type rig struct {
	*handlers.Handlers
	*clock
	t         testing.TB
	store     store.Store
	directory *directory.Directory
	sessions  *session.Sessions
	passkeys  *ceremony.Passkeys
	cookie    session.Cookie
	box       *mailbox
	log       *logBuffer

	mu      sync.Mutex
	answers []answer // every one that was given
}

// setup is what a test wants otherwise.
type setup struct {
	allow     []string // default: *@example.com
	api       handlers.API
	apps      handlers.Apps
	budgets   ceremony.Budgets
	logins    ceremony.Budget         // of passkeys
	accounts  ceremony.AccountOptions // Lookup, Closed, MaxAddresses and the budgets
	mayDelete bool
	store     store.Store // default: embedded; the rig closes it
	verify    string      // user verification
	site      func(*http.Request) (ceremony.Site, bool)
}

func newRig(t testing.TB, s setup) *rig {
	t.Helper()
	r := &rig{
		t: t, clock: &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
		cookie: session.NewCookie("", true), box: &mailbox{arrived: make(chan mail.Message, 4096)}, log: &logBuffer{},
	}
	dir := t.TempDir()
	if r.store = s.store; r.store == nil {
		embedded := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(dir, "store.db"), Now: r.now})
		must(t, embedded.Open(t.Context()))
		r.store = embedded
	}
	r.directory = directory.NewSQLite(directory.SQLiteOptions{Path: filepath.Join(dir, "directory.db"), Now: r.now})
	logger := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.box.outbox = mail.NewOutbox(r.box, mail.OutboxOptions{Workers: 1, Now: r.now, Logger: logger})
	must(t, r.directory.Open(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		must(t, errors.Join(r.box.outbox.Close(ctx), r.store.Close(), r.directory.Close()))
	})
	ring, err := secret.NewRing([]byte("a secret of thirty-two bytes 123"))
	must(t, err)
	letters, err := mail.NewLetters(mail.LettersOptions{Name: "Example"})
	must(t, err)
	pages, err := web.New(web.Options{Name: "Example"})
	must(t, err)
	keys, err := session.NewKeySet(session.KeyOptions{
		Storage: keyStorage{r.directory}, Sealer: ring.Sealer("keys"), TokenLifetime: 12 * time.Hour, Now: r.now,
	})
	must(t, err)
	must(t, keys.Refresh(t.Context()))
	r.sessions = session.New(session.Options{
		Store: r.store, Keys: keys, Identities: handlers.Identities{Directory: r.directory, Now: r.now}, Now: r.now,
	})
	r.passkeys = ceremony.NewPasskeys(ceremony.PasskeyOptions{
		Store: r.store, Directory: r.directory, Letters: letters, Outbox: r.box.outbox, UserVerification: s.verify, Begun: s.logins, Now: r.now,
	})
	if s.allow == nil {
		s.allow = []string{"*@example.com"}
	}
	if s.site == nil {
		s.site = findSite
	}
	allow, err := policy.ParseAllow(s.allow, func(address string) (string, string, error) {
		a, err := directory.ParseAddress(address)
		return string(a), a.Domain(), err
	})
	must(t, err)
	s.accounts.Store, s.accounts.Directory, s.accounts.Letters, s.accounts.Outbox, s.accounts.Now = r.store, r.directory, letters, r.box.outbox, r.now
	r.Handlers = handlers.New(handlers.Options{
		Path: "/doorward",
		Passcodes: ceremony.NewPasscodes(ceremony.PasscodeOptions{
			Store: r.store, Directory: r.directory, Letters: letters, Outbox: r.box.outbox, MAC: ring.MAC("passcode"), Browsers: ring.MAC("known browser"),
			Budgets: s.budgets, Lookup: s.accounts.Lookup, Now: r.now,
		}),
		Passkeys: r.passkeys, Accounts: ceremony.NewAccounts(s.accounts), Sessions: r.sessions, Keys: keys, Directory: r.directory, Pages: pages,
		Policy: policy.Union{{Allow: allow, Closed: s.accounts.Closed}}, MayDelete: s.mayDelete, Cookie: r.cookie, Fresh: 15 * time.Minute, API: s.api, Apps: s.apps,
		Site: s.site, ClientAddress: clientAddress, Logger: logger, Now: r.now,
	})
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// findSite knows one host.
func findSite(r *http.Request) (ceremony.Site, bool) {
	return ceremony.Site{
		Origin: origin, Host: host, AccountURL: origin + "/doorward/account",
		RelyingParty: ceremony.RelyingParty{ID: host, Name: "Example"},
	}, r.Host == host
}

func clientAddress(r *http.Request) string {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return address
}

// keyStorage keeps signing keys in the directory.
type keyStorage struct{ *directory.Directory }

func (s keyStorage) Keys(ctx context.Context) ([]session.StoredKey, error) {
	all, err := s.Directory.Keys(ctx)
	var keys []session.StoredKey
	for _, k := range all {
		keys = append(keys, session.StoredKey(k))
	}
	return keys, err
}

func (s keyStorage) ChangeKeys(ctx context.Context, change func([]session.StoredKey) ([]session.StoredKey, error)) error {
	return s.Directory.ChangeKeys(ctx, func(all []directory.Key) ([]directory.Key, error) {
		var before []session.StoredKey
		for _, k := range all {
			before = append(before, session.StoredKey(k))
		}
		after, err := change(before)
		var keys []directory.Key
		for _, k := range after {
			keys = append(keys, directory.Key(k))
		}
		return keys, err
	})
}

// A clock stands until a test moves it.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// A logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A mailbox is where the letters end up.
type mailbox struct {
	outbox  *mail.Outbox
	arrived chan mail.Message
}

// Send implements mail.Sender.
func (b *mailbox) Send(_ context.Context, m mail.Message) error {
	b.arrived <- m
	return nil
}

// letters returns every letter since the last call. Letters arrive in the order
// in which they were posted, so that one more letter marks the end of them.
func (b *mailbox) letters(t testing.TB) []mail.Message {
	t.Helper()
	const mark = "mark@example.org"
	must(t, b.outbox.Post(mail.Message{To: mark}))
	deadline := time.After(20 * time.Second)
	for letters := []mail.Message(nil); ; {
		select {
		case m := <-b.arrived:
			if m.To == mark {
				return letters
			}
			letters = append(letters, m)
		case <-deadline:
			t.Fatal("the mark did not arrive")
		}
	}
}

var codePattern = regexp.MustCompile(`[0-9]{6}`)

// passcode returns the passcode in the one letter since the last call.
func (b *mailbox) passcode(t testing.TB) string {
	t.Helper()
	letters := b.letters(t)
	if len(letters) != 1 {
		t.Fatalf("got %d letters, want 1", len(letters))
	}
	return codePattern.FindString(letters[0].Subject)
}
