package ceremony_test

import (
	"errors"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/integration/authenticator"
)

// Two authenticators with one key do not count together: where a count does not
// grow, one of them is a clone (WebAuthn L3, section 6.1.1).
func TestSignCountThatDoesNotGrowIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name         string
		before, then uint32
		want         error
	}{
		{"does not count", 0, 0, nil},
		{"begins to count", 0, 1, nil},
		{"grows by one", 10, 11, nil},
		{"grows by many", 10, 1 << 31, nil},
		{"stays", 10, 10, ceremony.ErrPasskey},
		{"goes back", 10, 3, ceremony.ErrPasskey},
		{"ceases to count", 10, 0, ceremony.ErrPasskey},
		{"wraps around", 1<<32 - 1, 0, ceremony.ErrPasskey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			a, ann := newAuthenticator(), r.user(t, "ann@example.com")
			r.register(t, a, ann)
			counting := func(n uint32) change { return func(a *authenticator.Answer) { a.SignCount = n } }
			if _, err := r.login(t, a, counting(tt.before)); err != nil {
				t.Fatal(err)
			}
			if _, err := r.login(t, a, counting(tt.then)); !errors.Is(err, tt.want) {
				t.Errorf("%d after %d: %v, want %v", tt.then, tt.before, err, tt.want)
			}
			events, err := r.directory.Events(t.Context(), ann.ID, 1)
			if err != nil {
				t.Fatal(err)
			}
			if noted := len(events) == 1 && events[0].Type == "passkey_clone_suspected"; noted != (tt.want != nil) {
				t.Errorf("the last audit record: %+v", events)
			}
			if tt.want == nil {
				return
			}
			kept, err := r.directory.Passkey(t.Context(), a.Credentials[0].ID)
			if err != nil || kept.SignCount != tt.before {
				t.Errorf("count kept after the refusal: %d, %v; want %d", kept.SignCount, err, tt.before)
			}
		})
	}
}

func TestAuthenticatorThatCountsSignsInAgainAndAgain(t *testing.T) {
	r := newRig(t, setup{})
	a := &authenticator.Authenticator{Origin: site.Origin, Counts: true}
	r.register(t, a, r.user(t, "ann@example.com"))
	for n := range 3 {
		if _, err := r.login(t, a, honest); err != nil {
			t.Errorf("sign-in %d: %v", n+1, err)
		}
	}
}

func TestBackupStateFollowsTheAuthenticator(t *testing.T) {
	r := newRig(t, setup{})
	a := &authenticator.Authenticator{Origin: site.Origin, Synced: true}
	passkey := r.register(t, a, r.user(t, "ann@example.com"))
	for _, backedUp := range []bool{false, true} {
		_, err := r.login(t, a, func(a *authenticator.Answer) {
			if !backedUp {
				a.Flags &^= authenticator.BackupState
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := r.directory.Passkey(t.Context(), passkey.ID)
		if err != nil || kept.BackupState != backedUp || !kept.BackupEligible {
			t.Errorf("kept backup state %v, eligible %v, %v; want %v, true", kept.BackupState, kept.BackupEligible, err, backedUp)
		}
	}
	_, err := r.login(t, a, func(a *authenticator.Answer) { a.Flags &^= authenticator.BackupEligible | authenticator.BackupState })
	if !errors.Is(err, ceremony.ErrPasskey) {
		t.Errorf("no longer eligible for backup, which never changes: %v, want ErrPasskey", err)
	}
}
