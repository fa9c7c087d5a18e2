package ceremony_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/store"
)

// A worn store is one whose values are changed at rest. It gives a value as often
// as it is asked for, also what is to be taken once, so that each of many inputs
// finds what the ceremony kept.
type worn struct {
	store.Store
	change func(value []byte) []byte // nil: none
}

func (w *worn) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := w.Store.Get(ctx, key)
	if err == nil && w.change != nil {
		value = w.change(value)
	}
	return value, err
}

func (w *worn) Take(ctx context.Context, key string) ([]byte, error) { return w.Get(ctx, key) }

// plenty is a budget that no input spends.
var plenty = ceremony.Budget{Times: 1 << 40, Per: 1 << 40}

// newWorn returns a rig with a store of its own, sealed as it is in life.
func newWorn(f *testing.F) (*rig, *worn, store.Store) {
	f.Helper()
	budgets := ceremony.Budgets{Letters: plenty, Begun: plenty, Tries: plenty, Wrong: plenty, TriesFrom: plenty}
	r := newRig(f, setup{passcode: ceremony.PasscodeOptions{Attempts: 1 << 40, Budgets: budgets}})
	rest := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(f.TempDir(), "worn.db"), Now: r.now})
	if err := rest.Open(context.Background()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := rest.Close(); err != nil {
			f.Error(err)
		}
	})
	w := &worn{Store: rest}
	return r, w, store.Sealed(w, newRing(f, rigSecret).Sealer("store"))
}

// splice returns b with some of its bytes replaced.
func splice(b []byte, at, remove uint16, put []byte) []byte {
	from := int(at) % (len(b) + 1)
	return slices.Concat(b[:from], put, b[min(from+int(remove), len(b)):])
}

func addSplices(f *testing.F, add func(at, remove uint16, put []byte)) {
	f.Helper()
	for _, at := range []uint16{0, 1, 5, 29, 40, 100, 1 << 15} {
		add(at, 0, nil)
		add(at, 1, []byte{0})
		add(at, 1<<15, nil)
	}
	add(0, 1<<15, []byte(`{"address":"bob@example.com","mac":"AAAA","created":"2026-03-01T12:00:00Z"}`))
	add(0, 1<<15, []byte("null"))
}

// What is kept of a passcode and was changed at rest signs nobody in, with the right
// passcode neither: it is a failure, as whoever has the passcode has done nothing
// wrong.
func FuzzPasscodeChangedAtRest(f *testing.F) {
	r, rest, sealed := newWorn(f)
	r.user(f, "ann@example.com")
	r.passcodes = r.passcodesOn(sealed)
	id, code := r.begin(f, "ann@example.com")
	addSplices(f, func(at, remove uint16, put []byte) {
		f.Add(at, remove, put, true)
		f.Add(at, remove, put, false)
	})
	f.Fuzz(func(t *testing.T, at, remove uint16, put []byte, right bool) {
		same := true
		rest.change = func(value []byte) []byte {
			changed := splice(value, at, remove, put)
			same = same && bytes.Equal(changed, value)
			return changed
		}
		defer func() { rest.change = nil }()
		typed := code
		if !right {
			typed = other(code)
		}
		in, err := r.passcodes.Finalize(t.Context(), site, wideOpen, browser, ceremony.Answer{ID: id, Passcode: typed})
		_, addressErr := r.passcodes.Address(t.Context(), browser, id)
		switch {
		case !same:
			wantFailure(t, "finalize", err)
			wantFailure(t, "the address", addressErr)
		case right && (err != nil || in.User.Emails[0].Address != "ann@example.com"):
			t.Errorf("nothing was changed, and the passcode is right: %+v, %v", in, err)
		case !right && !errors.Is(err, ceremony.ErrWrongPasscode):
			t.Errorf("nothing was changed, and the passcode is wrong: %v", err)
		}
	})
}

// IDs that were promised to one address, and changed at rest, are a failure: never
// another's, and never an account.
func FuzzPromiseChangedAtRest(f *testing.F) {
	r, rest, sealed := newWorn(f)
	r.accounts = ceremony.NewAccounts(ceremony.AccountOptions{
		Store: sealed, Directory: r.directory, Letters: r.kept.Letters, Outbox: r.kept.Outbox, SignUps: plenty, Now: r.now,
	})
	sign := func(ctx context.Context) (ceremony.SignUp, error) {
		promised, _, err := r.accounts.SignUp(ctx, wideOpen, browser, "ann@example.com")
		return promised, err
	}
	promised, err := sign(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	addSplices(f, func(at, remove uint16, put []byte) { f.Add(at, remove, put) })
	f.Fuzz(func(t *testing.T, at, remove uint16, put []byte) {
		same := true
		rest.change = func(value []byte) []byte {
			changed := splice(value, at, remove, put)
			same = same && bytes.Equal(changed, value)
			return changed
		}
		defer func() { rest.change = nil }()
		again, err := sign(t.Context())
		switch {
		case same && (err != nil || again != promised):
			t.Errorf("nothing was changed: %+v, %v, want %+v", again, err, promised)
		case !same:
			wantFailure(t, "signing up", err)
		}
	})
}
