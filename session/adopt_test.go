package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
)

// adopt brings the keys of an old house into a new one, as an import does.
func adopt(t *testing.T, old *house, b *bunch) {
	t.Helper()
	for _, k := range old.chest.keys {
		kept, err := b.Adopt(k)
		must(t, err)
		b.h.chest.keys = append(b.h.chest.keys, kept)
	}
	must(t, b.Adopted(context.Background()))
}

func TestKeysOfTheOldInstallationStayUntilTheirLastTokenHasExpired(t *testing.T) {
	old := newHouseOfKeys(t)
	oldKeys := old.bunch()
	new := newHouseOfKeys(t)
	new.store = old.store          // the directory is what moves
	new.clock.pass(24 * time.Hour) // its key is newer, as long as it waits to be moved to
	b := new.bunch()
	new.clock.pass(24 * time.Hour)
	old.clock.pass(2 * 24 * time.Hour)
	_, token, err := session.New(session.Options{
		Store: old.store, Keys: oldKeys.KeySet, Identities: old.people, Now: old.clock.Now,
	}).Begin(t.Context(), signIn("ann"))
	must(t, err)
	adopt(t, old, b)
	if err := b.checks(token); err != nil {
		t.Errorf("a token of the old installation, after the move: %v", err)
	}
	theirs := oldKeys.signs()
	if got := b.published(); !slices.Contains(got, theirs) || len(got) != 2 {
		t.Errorf("published: %v, want the old key %s beside ours", got, theirs)
	}
	new.clock.pass(12 * time.Hour) // the lifetime of the last token that the old one can have signed
	b.refresh()
	if got := len(b.published()); got != 2 {
		t.Errorf("%d keys are published after the lifetime of a token, want 2", got)
	}
	new.clock.pass(30 * 24 * time.Hour)
	b.refresh()
	if got := b.published(); slices.Contains(got, theirs) {
		t.Errorf("the old key is still published a month later: %v", got)
	}
}

func TestKeyOfAnotherSecretOrThatWasChangedIsNotAdopted(t *testing.T) {
	old := newHouseOfKeys(t)
	old.bunch()
	theirs := old.chest.keys[0]
	h := newHouseOfKeys(t)
	stranger := h.closedKeySet(func(o *session.KeyOptions) { o.Sealer = newRing(t, 'b').Sealer("signing keys") })
	if _, err := stranger.Adopt(theirs); !errors.Is(err, secret.ErrOtherSecret) {
		t.Errorf("Adopt of a key of another secret = %v, want %v", err, secret.ErrOtherSecret)
	}
	b := h.bunch()
	for name, change := range map[string]func(*session.StoredKey){
		"another name":      func(k *session.StoredKey) { k.ID = "other" },
		"another algorithm": func(k *session.StoredKey) { k.Algorithm = "RS256" },
		"one bit":           func(k *session.StoredKey) { k.Sealed[40] ^= 1 },
	} {
		k := theirs
		k.Sealed = slices.Clone(k.Sealed)
		change(&k)
		if _, err := b.Adopt(k); err == nil {
			t.Errorf("%s: Adopt = nil, want an error", name)
		}
	}
}

// What the old installation knew of the end of a key is right here, too.
func TestAdoptPutsOffOnlyTheKeyThatSigned(t *testing.T) {
	old := newHouseOfKeys(t)
	keys := old.bunch()
	old.clock.pass(time.Hour)
	keys.rotate(true)
	keys.rotate(false)
	var kept []session.StoredKey
	for _, k := range old.chest.keys {
		adopted, err := keys.Adopt(k)
		must(t, err)
		kept = append(kept, adopted)
	}
	if len(kept) != 3 {
		t.Fatalf("%d keys, want one that verifies, one that signs and the next", len(kept))
	}
	for i, k := range kept {
		was := old.chest.keys[i].RetiresAt
		if !was.IsZero() && !k.RetiresAt.Equal(was) {
			t.Errorf("key %d retires at %v, want %v as it did", i, k.RetiresAt, was)
		}
		if future := k.SignsFrom.After(old.clock.Now()); future && !k.RetiresAt.IsZero() {
			t.Errorf("the next key retires at %v, before it has signed", k.RetiresAt)
		}
	}
}
