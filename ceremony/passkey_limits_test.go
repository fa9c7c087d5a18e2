package ceremony_test

import (
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/integration/authenticator"
)

// Challenges cost a stranger nothing, and the store a place each.
func TestOneNetworkBeginsALimitedNumberOfLogins(t *testing.T) {
	r := newRig(t, setup{passkey: ceremony.PasskeyOptions{Begun: ceremony.Budget{Times: 3, Per: time.Hour}}})
	ann := r.user(t, "ann@example.com")
	for range 3 {
		r.options(t, site, nil)
	}
	_, err := r.passkeys.InitializeLogin(t.Context(), site, browser, nil, "", ceremony.Wishes{})
	wantLimit(t, "fourth login of strangers", err, time.Hour)
	elsewhere := browser
	elsewhere.Network = "198.51.100.1"
	if _, err := r.passkeys.InitializeLogin(t.Context(), site, elsewhere, nil, "", ceremony.Wishes{}); err != nil {
		t.Errorf("another network: %v", err)
	}
	if _, err := r.passkeys.InitializeLogin(t.Context(), site, browser, &ann, ann.ID, ceremony.Wishes{}); err != nil {
		t.Errorf("who is signed in: %v", err)
	}
	for range 2 {
		r.options(t, site, &ann)
	}
	_, err = r.passkeys.InitializeLogin(t.Context(), site, browser, &ann, ann.ID, ceremony.Wishes{})
	wantLimit(t, "fourth login of a user from one network", err, time.Hour)
	bob := r.user(t, "bob@example.com")
	r.options(t, site, &bob)
	if _, err := r.passkeys.InitializeLogin(t.Context(), site, elsewhere, &ann, ann.ID, ceremony.Wishes{}); err != nil {
		t.Errorf("the same user elsewhere: %v", err)
	}
	// Who names her and is somebody else is a stranger.
	for name, visitor := range map[string]string{"nobody": "", "Bob": bob.ID} {
		_, err = r.passkeys.InitializeLogin(t.Context(), site, browser, &ann, visitor, ceremony.Wishes{})
		wantLimit(t, "fifth login of strangers, for Ann by "+name, err, time.Hour)
	}
	r.advance(time.Hour)
	r.options(t, site, nil)
}

// Each user ID that is known would otherwise be another budget.
func TestLoginsForNamedUsersAreTheNetworks(t *testing.T) {
	r := newRig(t, setup{passkey: ceremony.PasskeyOptions{Begun: ceremony.Budget{Times: 2, Per: time.Hour}}})
	for i, name := range []string{"ann", "bob", "cleo"} {
		user := r.user(t, name+"@example.com")
		_, err := r.passkeys.InitializeLogin(t.Context(), site, browser, &user, "", ceremony.Wishes{})
		if i < 2 && err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			wantLimit(t, "third login, for a third user", err, time.Hour)
		}
	}
}

func TestPasskeysFailRatherThanRefuseWhenAStoreIsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		away func(r *rig) error
	}{
		{"store", func(r *rig) error { return r.store.Close() }},
		{"directory", func(r *rig) error { return r.directory.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			ann := r.user(t, "ann@example.com")
			a := newAuthenticator()
			passkey := r.register(t, a, ann)
			answer := get(t, a, r.options(t, site, nil), honest)
			options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, ceremony.Wishes{})
			if err != nil {
				t.Fatal(err)
			}
			created, err := (&authenticator.Authenticator{Origin: site.Origin}).Create(options)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.away(r); err != nil {
				t.Fatal(err)
			}
			_, err = r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, answer)
			wantFailure(t, "FinalizeLogin", err)
			_, err = r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, created)
			wantFailure(t, "FinalizeRegistration", err)
			_, err = r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, ceremony.Wishes{})
			wantFailure(t, "InitializeRegistration", err)
			if tt.name == "store" {
				_, err = r.passkeys.InitializeLogin(t.Context(), site, browser, nil, "", ceremony.Wishes{})
				wantFailure(t, "InitializeLogin", err)
			} else {
				wantFailure(t, "Remove", r.passkeys.Remove(t.Context(), site, browser, ann, passkey.ID))
			}
		})
	}
}
