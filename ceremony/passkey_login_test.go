package ceremony_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/integration/authenticator"
)

func TestPasskeySignsInItsOwner(t *testing.T) {
	for name, algorithm := range map[string]authenticator.Algorithm{
		"ES256": authenticator.ES256, "EdDSA": authenticator.EdDSA, "RS256": authenticator.RS256,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{})
			ann := r.user(t, "ann@example.com")
			r.user(t, "bob@example.com")
			a := newAuthenticator()
			a.Algorithm = algorithm
			passkey := r.register(t, a, ann)
			r.advance(time.Hour)
			in, err := r.login(t, a, honest)
			if err != nil {
				t.Fatal(err)
			}
			if in.User.ID != ann.ID || in.Created || !slices.Equal(in.Methods, []string{"pop", "mfa"}) {
				t.Errorf("signed in %s by %v (created: %v), want %s by pop and mfa", in.User.ID, in.Methods, in.Created, ann.ID)
			}
			kept, err := r.directory.Passkey(t.Context(), passkey.ID)
			if err != nil || !kept.LastUsedAt.Equal(r.now()) {
				t.Errorf("last used at %v, %v; want now", kept.LastUsedAt, err)
			}
		})
	}
}

func TestLoginOptionsNameNobodyUnlessSomebodyIsSignedIn(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	first, second := r.register(t, newAuthenticator(), ann), r.register(t, &authenticator.Authenticator{Origin: site.Origin}, bob)

	o := readOptions(t, r.options(t, site, nil))
	if len(o.Allow) != 0 {
		t.Errorf("allowCredentials for a stranger = %v, want none", o.Allow)
	}
	if o.RPID != "example.com" || o.UserVerification != "preferred" || o.Timeout != 300_000 || len(o.Challenge) < 43 {
		t.Errorf("options = %+v, want example.com, preferred, 5 minutes and 32 bytes of challenge", o)
	}
	o = readOptions(t, r.options(t, site, &ann))
	if len(o.Allow) != 1 || o.Allow[0].ID != encode(first.ID) {
		t.Errorf("allowCredentials for Ann = %v, want hers, %s", o.Allow, encode(first.ID))
	}
	o = readOptions(t, r.options(t, site, &bob))
	if len(o.Allow) != 1 || o.Allow[0].ID != encode(second.ID) {
		t.Errorf("allowCredentials for Bob = %v, want his, %s", o.Allow, encode(second.ID))
	}
	nobody := r.user(t, "new@example.com")
	if o = readOptions(t, r.options(t, site, &nobody)); len(o.Allow) != 0 {
		t.Errorf("allowCredentials for a user without passkeys = %v, want none", o.Allow)
	}
}

func TestWhoIsSignedInProvesItAgainWithAnyOfTheirPasskeys(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	key, phone, bobs := newAuthenticator(), &authenticator.Authenticator{Origin: site.Origin, Synced: true}, newAuthenticator()
	r.register(t, key, ann)
	removed := r.register(t, phone, ann)
	r.register(t, bobs, bob)
	finalize := func(answer []byte) error {
		_, err := r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, answer)
		return err
	}
	for _, a := range []*authenticator.Authenticator{key, phone} {
		if err := finalize(get(t, a, r.options(t, site, &ann), honest)); err != nil {
			t.Errorf("one of Ann's passkeys: %v", err)
		}
	}
	// Hers need not say whose they are: she was named before.
	null := func(a *authenticator.Answer) { a.UserHandle = nil }
	if err := finalize(get(t, key, r.options(t, site, &ann), null)); err != nil {
		t.Errorf("null user handle where the user was named: %v", err)
	}
	// Bob's browser would not answer for her; a forged one does.
	challenge := readOptions(t, r.options(t, site, &ann)).Challenge
	bobsAnswer := get(t, bobs, r.options(t, site, &bob), func(a *authenticator.Answer) { a.Challenge = challenge })
	if err := finalize(bobsAnswer); !errors.Is(err, ceremony.ErrUnknownPasskey) {
		t.Errorf("Bob's passkey where Ann was asked for: %v, want ErrUnknownPasskey", err)
	}
	options := r.options(t, site, &ann)
	if err := r.passkeys.Remove(t.Context(), site, browser, ann, removed.ID); err != nil {
		t.Fatal(err)
	}
	if err := finalize(get(t, key, options, honest)); err != nil {
		t.Errorf("one passkey after another was removed: %v", err)
	}
}

// Without a user handle, and with nobody named, the credential ID alone would
// say who signs in (WebAuthn L3, section 7.2, step 6).
func TestLoginWithoutANamedUserNeedsTheUserHandle(t *testing.T) {
	r := newRig(t, setup{})
	a := newAuthenticator()
	r.register(t, a, r.user(t, "ann@example.com"))
	_, err := r.login(t, a, func(a *authenticator.Answer) { a.UserHandle = nil })
	if !errors.Is(err, ceremony.ErrPasskey) {
		t.Errorf("null user handle: %v, want ErrPasskey", err)
	}
	_, err = r.login(t, a, func(a *authenticator.Answer) { a.UserHandle = []byte{} })
	if !errors.Is(err, ceremony.ErrPasskey) {
		t.Errorf("empty user handle: %v, want ErrPasskey", err)
	}
}

func TestChallengeIsAnsweredOnce(t *testing.T) {
	r := newRig(t, setup{})
	a := newAuthenticator()
	r.register(t, a, r.user(t, "ann@example.com"))
	answer := get(t, a, r.options(t, site, nil), honest)
	wantOneWinner(t, 50, ceremony.ErrChallenge, func() error {
		_, err := r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, answer)
		return err
	})
}

func TestChallengeIsGoodForFiveMinutes(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{{5*time.Minute - time.Millisecond, nil}, {5 * time.Minute, ceremony.ErrChallenge}, {time.Hour, ceremony.ErrChallenge}} {
		r := newRig(t, setup{})
		ann := r.user(t, "ann@example.com")
		a := newAuthenticator()
		r.register(t, a, ann)
		answer := get(t, a, r.options(t, site, nil), honest)
		options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, ceremony.Wishes{})
		if err != nil {
			t.Fatal(err)
		}
		created, err := (&authenticator.Authenticator{Origin: site.Origin}).Create(options)
		if err != nil {
			t.Fatal(err)
		}
		r.advance(tt.after)
		if _, err := r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, answer); !errors.Is(err, tt.want) {
			t.Errorf("login after %v: %v, want %v", tt.after, err, tt.want)
		}
		if _, err := r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, created); !errors.Is(err, tt.want) {
			t.Errorf("registration after %v: %v, want %v", tt.after, err, tt.want)
		}
	}
}

func TestWhoMayNotSignInIsToldSoOnlyAfterTheProof(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	a := newAuthenticator()
	r.register(t, a, ann)
	finalize := func(d door, c change) error {
		_, err := r.passkeys.FinalizeLogin(t.Context(), site, d, browser, get(t, a, r.options(t, site, nil), c))
		return err
	}
	spoilt := func(a *authenticator.Answer) { a.Spoil = flipLast }
	if err := finalize(nobodyDoor, honest); !errors.Is(err, ceremony.ErrNotAllowed) {
		t.Errorf("not admitted: %v, want ErrNotAllowed", err)
	}
	if err := r.directory.SetDisabled(t.Context(), ann.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := finalize(wideOpen, honest); !errors.Is(err, ceremony.ErrNotAllowed) {
		t.Errorf("disabled: %v, want ErrNotAllowed", err)
	}
	if err := finalize(wideOpen, spoilt); !errors.Is(err, ceremony.ErrPasskey) {
		t.Errorf("disabled, and not proved: %v, want ErrPasskey", err)
	}
	if err := r.directory.RemoveUser(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	if err := finalize(wideOpen, honest); !errors.Is(err, ceremony.ErrUnknownPasskey) {
		t.Errorf("removed user: %v, want ErrUnknownPasskey", err)
	}
}

func flipLast(signature []byte) []byte {
	signature[len(signature)-1] ^= 1
	return signature
}
