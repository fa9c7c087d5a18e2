package ceremony_test

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/store"
)

// site is where the ceremonies of these tests happen. Its relying party is the
// parent domain, so that a sibling shares the passkeys and not the origin.
var site = ceremony.Site{
	Origin:       "https://app.example.com",
	Host:         "app.example.com",
	AccountURL:   "https://app.example.com/doorward/account",
	RelyingParty: ceremony.RelyingParty{ID: "example.com", Name: "Example"},
}

// browser is who begins and ends the ceremonies of these tests.
var browser = ceremony.Client{Binding: "browser-1", Network: "192.0.2.1", Agent: "Firefox on Linux", Language: "en"}

// A door admits and signs up whom it says.
type door struct{ admits, signsUp bool }

func (d door) Admits(directory.User) bool     { return d.admits }
func (d door) SignsUp(directory.Address) bool { return d.signsUp }

var (
	wideOpen   = door{admits: true, signsUp: true}
	knownOnly  = door{admits: true}
	nobodyDoor = door{}
)

// rig is everything that ceremonies need, and real but for the clock and the
// last step of the mail.
type rig struct {
	*clock
	box       *mailbox
	store     *store.Embedded
	directory *directory.Directory
	passcodes *ceremony.Passcodes
	kept      ceremony.PasscodeOptions // of passcodes
	passkeys  *ceremony.Passkeys
	accounts  *ceremony.Accounts
}

// setup is what a test wants otherwise.
type setup struct {
	passcode ceremony.PasscodeOptions // Digits, Lifetime, Attempts and Budgets count
	passkey  ceremony.PasskeyOptions  // UserVerification and Begun count
	account  ceremony.AccountOptions  // Lookup, Closed, MaxAddresses and the budgets count
	outbox   mail.OutboxOptions       // Capacity counts
}

func newRig(t testing.TB, s setup) *rig {
	t.Helper()
	r := &rig{clock: &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	dir := t.TempDir()
	r.store = store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(dir, "store.db"), Now: r.now})
	r.directory = directory.NewSQLite(directory.SQLiteOptions{Path: filepath.Join(dir, "directory.db"), Now: r.now})
	if err := errors.Join(r.store.Open(t.Context()), r.directory.Open(t.Context())); err != nil {
		t.Fatal(err)
	}
	letters, err := mail.NewLetters(mail.LettersOptions{Name: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	ring := newRing(t, rigSecret)
	r.box = &mailbox{arrived: make(chan mail.Message, 4096)}
	s.outbox.Workers, s.outbox.Now = 1, r.now
	r.box.outbox = mail.NewOutbox(r.box, s.outbox)
	t.Cleanup(func() {
		r.box.open()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := errors.Join(r.box.outbox.Close(ctx), r.store.Close(), r.directory.Close()); err != nil {
			t.Error(err)
		}
	})

	s.passcode.Store, s.passcode.Directory, s.passcode.Letters, s.passcode.Outbox = r.store, r.directory, letters, r.box.outbox
	s.passcode.MAC, s.passcode.Now, s.passcode.Lookup = ring.MAC("passcode"), r.now, s.account.Lookup
	s.passcode.Browsers = ring.MAC("known browser")
	r.kept, r.passcodes = s.passcode, ceremony.NewPasscodes(s.passcode)
	s.passkey.Store, s.passkey.Directory, s.passkey.Letters, s.passkey.Outbox = r.store, r.directory, letters, r.box.outbox
	s.passkey.Now = r.now
	r.passkeys = ceremony.NewPasskeys(s.passkey)
	s.account.Store, s.account.Directory, s.account.Letters, s.account.Outbox = r.store, r.directory, letters, r.box.outbox
	s.account.Now = r.now
	r.accounts = ceremony.NewAccounts(s.account)
	return r
}

// rigSecret is the operator's.
const rigSecret = "a secret of thirty-two bytes 123"

func newRing(t testing.TB, secrets ...string) *secret.Ring {
	t.Helper()
	var all [][]byte
	for _, s := range secrets {
		all = append(all, []byte(s))
	}
	ring, err := secret.NewRing(all...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// user adds a user to the directory, who has proved their address.
func (r *rig) user(t testing.TB, address string) directory.User {
	t.Helper()
	u, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: directory.Address(address), Verified: true})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// passcodesOn returns passcodes as the rig's, that are kept elsewhere.
func (r *rig) passcodesOn(s store.Store) *ceremony.Passcodes {
	o := r.kept
	o.Store = s
	return ceremony.NewPasscodes(o)
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

// A mailbox is where the letters end up.
type mailbox struct {
	outbox  *mail.Outbox
	arrived chan mail.Message

	mu   sync.Mutex
	shut chan struct{} // not nil: letters wait until it is closed
}

// Send implements mail.Sender.
func (b *mailbox) Send(ctx context.Context, m mail.Message) error {
	b.mu.Lock()
	shut := b.shut
	b.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.arrived <- m
	return nil
}

// close makes letters wait, as a mail server that hangs does, until open.
func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = make(chan struct{})
}

func (b *mailbox) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut != nil {
		close(b.shut)
		b.shut = nil
	}
}

// letters returns every letter since the last call. Letters arrive in the order
// in which they were posted, so that one more letter marks the end of them.
func (b *mailbox) letters(t testing.TB) []mail.Message {
	t.Helper()
	const mark = "mark@example.org"
	if err := b.outbox.Post(mail.Message{To: mark}); err != nil {
		t.Fatalf("posting the mark: %v", err)
	}
	var letters []mail.Message
	deadline := time.After(20 * time.Second)
	for {
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

var codePattern = regexp.MustCompile(`[0-9]{3,10}`)

// passcode returns the passcode in the one letter since the last call.
func (b *mailbox) passcode(t testing.TB) string {
	t.Helper()
	letters := b.letters(t)
	if len(letters) != 1 {
		t.Fatalf("got %d letters, want 1", len(letters))
	}
	return codePattern.FindString(letters[0].Subject)
}

// begin sends a passcode to address, and returns the ceremony and the code.
func (r *rig) begin(t testing.TB, address string) (id, code string) {
	t.Helper()
	return r.beginFor(t, ceremony.Recipient{Address: address})
}

// beginFor is begin for any recipient.
func (r *rig) beginFor(t testing.TB, to ceremony.Recipient) (id, code string) {
	t.Helper()
	begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, to)
	if err != nil {
		t.Fatalf("Initialize(%+v): %v", to, err)
	}
	return begun.ID, r.box.passcode(t)
}

// initialize begins a ceremony that may well not be wanted.
func (r *rig) initialize(t testing.TB, to ceremony.Recipient) error {
	t.Helper()
	_, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, to)
	return err
}

// finalize ends a ceremony at a door that is open to everybody.
func (r *rig) finalize(t testing.TB, answer ceremony.Answer) (ceremony.SignIn, error) {
	t.Helper()
	return r.passcodes.Finalize(t.Context(), site, wideOpen, browser, answer)
}

// other returns a passcode that is not code.
func other(code string) string {
	first := "0"
	if code[0] == '0' {
		first = "1"
	}
	return first + code[1:]
}

// refusals are all the ways in which a ceremony says no.
var refusals = []error{
	ceremony.ErrMalformed, ceremony.ErrWrongPasscode, ceremony.ErrTooManyAttempts, ceremony.ErrPasscodeGone,
	ceremony.ErrPasscodeExpired, ceremony.ErrChallenge, ceremony.ErrUnknownPasskey, ceremony.ErrPasskey,
	ceremony.ErrUserVerification, ceremony.ErrPasskeyTaken, ceremony.ErrNotAllowed, ceremony.ErrBusy,
	ceremony.ErrUnknownUser, ceremony.ErrUnknownEmail, ceremony.ErrOtherUser, ceremony.ErrAccountExists, ceremony.ErrLookup,
	ceremony.ErrTooManyAddresses,
}

// wantFailure reports an error that is none, or that says no where it should say
// that something is broken.
func wantFailure(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
	}
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			t.Errorf("%s: %v, which is a refusal; want a failure", what, err)
		}
	}
	var limit *ceremony.LimitError
	if errors.As(err, &limit) {
		t.Errorf("%s: a spent budget; want a failure", what)
	}
}

// wantOneWinner has the same proof finalized many times at once, and once more
// afterwards: one of them signs in, and all others are refused with refusal.
func wantOneWinner(t *testing.T, parallel int, refusal error, finalize func() error) {
	t.Helper()
	errs := make([]error, parallel)
	var all sync.WaitGroup
	for i := range parallel {
		all.Go(func() { errs[i] = finalize() })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, refusal):
			t.Errorf("loser got %v, want %v", err, refusal)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d signed in with one proof, want 1", won, parallel)
	}
	if err := finalize(); !errors.Is(err, refusal) {
		t.Errorf("replay: %v, want %v", err, refusal)
	}
}
