package ceremony_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/integration/authenticator"
)

func TestRegistrationAsksForADiscoverablePasskey(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, ceremony.Wishes{})
	if err != nil {
		t.Fatal(err)
	}
	o := readOptions(t, options)
	if o.RP.ID != "example.com" || o.RP.Name != "Example" || o.User.ID != encode(ann.Handle()) || o.User.Name != "ann@example.com" {
		t.Errorf("options are for %v at %v", o.User, o.RP)
	}
	if o.Selection.ResidentKey != "required" || o.Selection.UserVerification != "preferred" || o.Attestation != "none" && o.Attestation != "" {
		t.Errorf("options ask for %v, attestation %q; want a resident key, verification preferred, none", o.Selection, o.Attestation)
	}
	if o.Timeout != 300_000 || len(o.Exclude) != 0 {
		t.Errorf("timeout %d, excluded %v; want 5 minutes and none", o.Timeout, o.Exclude)
	}
}

func TestRegistrationKeepsWhatTheAuthenticatorSaid(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	a := &authenticator.Authenticator{
		Origin: site.Origin, Synced: true, Counts: true, Transports: []string{"internal", "hybrid"}, Attachment: "platform",
		AAGUID: uuid.MustParse("fbfc3007-154e-4ecc-8c0b-6e020557d7bd"),
	}
	passkey := r.register(t, a, ann)
	kept, err := r.directory.Passkey(t.Context(), passkey.ID)
	if err != nil {
		t.Fatal(err)
	}
	made := a.Credentials[0]
	if !bytes.Equal(kept.ID, made.ID) || !bytes.Equal(kept.PublicKey, made.Key.COSE()) || !bytes.Equal(kept.AAGUID, a.AAGUID[:]) {
		t.Errorf("kept ID %x, key %x, AAGUID %x; want %x, %x, %x", kept.ID, kept.PublicKey, kept.AAGUID, made.ID, made.Key.COSE(), a.AAGUID)
	}
	if kept.UserID != ann.ID || kept.RPID != "example.com" || kept.Name != "Apple Passwords" || !kept.CreatedAt.Equal(r.now()) {
		t.Errorf("kept for %s at %s as %q at %v", kept.UserID, kept.RPID, kept.Name, kept.CreatedAt)
	}
	if !kept.UserPresent || !kept.UserVerified || !kept.BackupEligible || !kept.BackupState || !kept.Discoverable {
		t.Errorf("kept flags %+v, want all set", kept)
	}
	if !slices.Equal(kept.Transports, a.Transports) || kept.Attachment != "platform" {
		t.Errorf("kept transports %v, attachment %q", kept.Transports, kept.Attachment)
	}
}

func TestPasskeyOfAnUnknownMakeIsNamedByItsDay(t *testing.T) {
	r := newRig(t, setup{})
	if got, want := r.register(t, newAuthenticator(), r.user(t, "ann@example.com")).Name, "Passkey of 2026-03-01"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
}

func TestAuthenticatorIsNotRegisteredTwice(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	a := newAuthenticator()
	passkey := r.register(t, a, ann)
	options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, ceremony.Wishes{})
	if err != nil {
		t.Fatal(err)
	}
	if o := readOptions(t, options); len(o.Exclude) != 1 || o.Exclude[0].ID != encode(passkey.ID) {
		t.Errorf("excludeCredentials = %v, want %s", o.Exclude, encode(passkey.ID))
	}
	if _, err := a.Create(options); !errors.Is(err, authenticator.ErrExcluded) {
		t.Errorf("the same authenticator again: %v, want ErrExcluded", err)
	}
	bob := r.user(t, "bob@example.com")
	options, err = r.passkeys.InitializeRegistration(t.Context(), site, browser, bob, ceremony.Wishes{})
	if err != nil {
		t.Fatal(err)
	}
	if o := readOptions(t, options); len(o.Exclude) != 0 {
		t.Errorf("excludeCredentials for Bob = %v: they tell of Ann's", o.Exclude)
	}
}

// Whoever learns a credential ID could register it with a key of their own, and
// answer in its place from then on.
func TestCredentialIDIsRegisteredOnce(t *testing.T) {
	r := newRig(t, setup{})
	ann, mallory := r.user(t, "ann@example.com"), r.user(t, "mallory@example.com")
	a := newAuthenticator()
	passkey := r.register(t, a, ann)
	r.box.letters(t)
	stolen := func(a *authenticator.Answer) { a.CredentialID = passkey.ID }
	for name, user := range map[string]directory.User{"another user": mallory, "the same user": ann} {
		if _, err := r.tryRegister(t, site, newAuthenticator(), user, stolen); !errors.Is(err, ceremony.ErrPasskeyTaken) {
			t.Errorf("registered by %s: %v, want ErrPasskeyTaken", name, err)
		}
	}
	if n := len(r.box.letters(t)); n != 0 {
		t.Errorf("%d letters about passkeys that were not added", n)
	}
	if in, err := r.login(t, a, honest); err != nil || in.User.ID != ann.ID {
		t.Errorf("its owner: %s, %v; want Ann", in.User.ID, err)
	}
}

func TestUserVerificationIsAskedForAsConfigured(t *testing.T) {
	for _, tt := range []struct {
		configured      string
		register, login error
	}{
		{"required", ceremony.ErrUserVerification, ceremony.ErrPasskey},
		{"preferred", nil, nil},
		{"discouraged", nil, nil},
	} {
		t.Run(tt.configured, func(t *testing.T) {
			r := newRig(t, setup{passkey: ceremony.PasskeyOptions{UserVerification: tt.configured}})
			ann := r.user(t, "ann@example.com")
			a := newAuthenticator()
			r.register(t, a, ann)
			if o := readOptions(t, r.options(t, site, nil)); o.UserVerification != tt.configured {
				t.Errorf("options ask for %q, want %q", o.UserVerification, tt.configured)
			}
			unverified := func(a *authenticator.Answer) { a.Flags &^= authenticator.UserVerified }
			if _, err := r.login(t, a, unverified); !errors.Is(err, tt.login) {
				t.Errorf("login without verification: %v, want %v", err, tt.login)
			}
			if _, err := r.tryRegister(t, site, newAuthenticator(), ann, unverified); !errors.Is(err, tt.register) {
				t.Errorf("registration without verification: %v, want %v", err, tt.register)
			}
		})
	}
}

// That the authenticator verified its user is a second factor only if it could
// do so from the start: a thief can set the PIN of a key that had none.
func TestVerificationCountsIfThePasskeyBeganWithIt(t *testing.T) {
	unverified := func(a *authenticator.Answer) { a.Flags &^= authenticator.UserVerified }
	for _, tt := range []struct {
		name              string
		synced            bool
		registered, signs change
		want              []string
	}{
		{"verified both times", false, honest, honest, []string{"pop", "mfa"}},
		{"verified when it was made only", false, honest, unverified, []string{"pop"}},
		{"security key whose PIN came later", false, unverified, honest, []string{"pop"}},
		{"synced passkey that was made without", true, unverified, honest, []string{"pop", "mfa"}},
		{"never verified", true, unverified, unverified, []string{"pop"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			a := &authenticator.Authenticator{Origin: site.Origin, Synced: tt.synced}
			if _, err := r.tryRegister(t, site, a, r.user(t, "ann@example.com"), tt.registered); err != nil {
				t.Fatal(err)
			}
			for range 2 { // what one sign-in says does not count for the next
				in, err := r.login(t, a, tt.signs)
				if err != nil || !slices.Equal(in.Methods, tt.want) {
					t.Errorf("methods %v, %v; want %v", in.Methods, err, tt.want)
				}
			}
		})
	}
}

func TestOwnerIsToldOfEveryChange(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	no := false
	if _, err := r.tryRegister(t, site, newAuthenticator(), ann, func(a *authenticator.Answer) { a.Discoverable = &no }); err == nil {
		t.Fatal("a passkey that cannot be discovered was added")
	}
	if n := len(r.box.letters(t)); n != 0 {
		t.Errorf("%d letters about a passkey that was refused", n)
	}
	passkey := r.register(t, newAuthenticator(), ann)
	added := r.box.letters(t)
	if err := r.passkeys.Remove(t.Context(), site, browser, ann, passkey.ID); err != nil {
		t.Fatal(err)
	}
	removed := r.box.letters(t)
	if len(added) != 1 || len(removed) != 1 {
		t.Fatalf("%d letters when it was added, %d when it was removed; want one each", len(added), len(removed))
	}
	if added[0].Subject == removed[0].Subject {
		t.Errorf("both letters say %q", added[0].Subject)
	}
	for _, letter := range append(added, removed...) {
		if letter.To != "ann@example.com" {
			t.Errorf("told %s, want ann@example.com", letter.To)
		}
		for _, want := range []string{passkey.Name, "app.example.com", site.AccountURL, "Firefox on Linux"} {
			if !strings.Contains(letter.Text, want) {
				t.Errorf("%q does not say %q", letter.Subject, want)
			}
		}
	}
}

func TestOnlyTheOwnerRemovesAPasskey(t *testing.T) {
	r := newRig(t, setup{})
	ann, mallory := r.user(t, "ann@example.com"), r.user(t, "mallory@example.com")
	a := newAuthenticator()
	passkey := r.register(t, a, ann)
	for name, id := range map[string][]byte{"Ann's": passkey.ID, "nobody's": []byte("nobody's"), "no": nil} {
		if err := r.passkeys.Remove(t.Context(), site, browser, mallory, id); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("Mallory removes %s passkey: %v, want ErrNotFound", name, err)
		}
	}
	if _, err := r.login(t, a, honest); err != nil {
		t.Fatalf("Ann's passkey afterwards: %v", err)
	}
	if err := r.passkeys.Remove(t.Context(), site, browser, ann, passkey.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.login(t, a, honest); !errors.Is(err, ceremony.ErrUnknownPasskey) {
		t.Errorf("removed passkey signs in: %v, want ErrUnknownPasskey", err)
	}
}
