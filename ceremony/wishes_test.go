package ceremony_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/integration/authenticator"
)

func TestStricterUserVerificationCounts(t *testing.T) {
	for _, tt := range []struct{ site, wish, want string }{
		{"preferred", "", "preferred"},
		{"preferred", "required", "required"},
		{"preferred", "discouraged", "preferred"},
		{"required", "preferred", "required"},
		{"required", "discouraged", "required"},
		{"discouraged", "discouraged", "discouraged"},
		{"discouraged", "preferred", "preferred"},
		{"discouraged", "required", "required"},
		{"discouraged", "", "discouraged"},
	} {
		t.Run(tt.site+" and "+tt.wish, func(t *testing.T) {
			r := newRig(t, setup{passkey: ceremony.PasskeyOptions{UserVerification: tt.site}})
			ann := r.user(t, "ann@example.com")
			a := newAuthenticator()
			r.register(t, a, ann)
			wish := ceremony.Wishes{UserVerification: tt.wish}
			unverified := func(a *authenticator.Answer) { a.Flags &^= authenticator.UserVerified }
			var refusedLogin, refusedRegistration error
			if tt.want == "required" {
				refusedLogin, refusedRegistration = ceremony.ErrPasskey, ceremony.ErrUserVerification
			}
			for _, named := range []bool{false, true} {
				user := &ann
				if !named {
					user = nil
				}
				options, err := r.passkeys.InitializeLogin(t.Context(), site, browser, user, idOf(user), wish)
				if err != nil {
					t.Fatal(err)
				}
				if got := readOptions(t, options).UserVerification; got != tt.want {
					t.Errorf("login options ask for %q, want %q", got, tt.want)
				}
				_, err = r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, get(t, a, options, unverified))
				if !errors.Is(err, refusedLogin) {
					t.Errorf("login without verification (named: %v): %v, want %v", named, err, refusedLogin)
				}
			}
			options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, wish)
			if err != nil {
				t.Fatal(err)
			}
			if got := readOptions(t, options).Selection.UserVerification; got != tt.want {
				t.Errorf("registration options ask for %q, want %q", got, tt.want)
			}
			answer, err := newAuthenticator().Create(options, unverified)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, answer); !errors.Is(err, refusedRegistration) {
				t.Errorf("registration without verification: %v, want %v", err, refusedRegistration)
			}
		})
	}
}

func TestWishesForARegistrationAreInItsOptions(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	for _, w := range []ceremony.Wishes{
		{}, {Attachment: "platform"}, {Attachment: "cross-platform", Attestation: "none"},
		{Attestation: "indirect"}, {Attestation: "direct"}, {Attestation: "enterprise"},
	} {
		options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, w)
		if err != nil {
			t.Errorf("%+v: %v", w, err)
			continue
		}
		want := w.Attestation
		if want == "" {
			want = "none"
		}
		o := readOptions(t, options)
		if o.Selection.Attachment != w.Attachment || o.Attestation != want || o.Selection.ResidentKey != "required" {
			t.Errorf("%+v: options ask for %+v, attestation %q", w, o.Selection, o.Attestation)
		}
	}
}

func TestWishThatIsNoWordForItIsMalformed(t *testing.T) {
	r := newRig(t, setup{passkey: ceremony.PasskeyOptions{Begun: ceremony.Budget{Times: 1, Per: time.Hour}}})
	ann := r.user(t, "ann@example.com")
	for field, w := range map[string]ceremony.Wishes{
		"userVerification":        {UserVerification: "Required"},
		"authenticatorAttachment": {Attachment: "crossplatform"},
		"attestation":             {Attestation: "true"},
	} {
		_, err := r.passkeys.InitializeLogin(t.Context(), site, browser, nil, "", w)
		if !errors.Is(err, ceremony.ErrMalformed) || !strings.Contains(err.Error(), field+" must be") {
			t.Errorf("login with a wrong %s: %v, want ErrMalformed that names it", field, err)
		}
		_, err = r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, w)
		if !errors.Is(err, ceremony.ErrMalformed) || !strings.Contains(err.Error(), field+" must be") {
			t.Errorf("registration with a wrong %s: %v, want ErrMalformed that names it", field, err)
		}
	}
	r.options(t, site, nil) // the budget is as it was
}

// selfAttested makes an answer to a registration attest to itself: the new key
// signs what it came with (WebAuthn L3, section 8.2).
func selfAttested(t *testing.T, spoil func(signature []byte) []byte) change {
	return func(a *authenticator.Answer) {
		a.Amend = func(credential map[string]any) {
			response := credential["response"].(map[string]any)
			client, err := base64.RawURLEncoding.DecodeString(response["clientDataJSON"].(string))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := base64.RawURLEncoding.DecodeString(response["attestationObject"].(string))
			if err != nil {
				t.Fatal(err)
			}
			var object struct {
				AuthData []byte `cbor:"authData"`
			}
			if err := webauthncbor.Unmarshal(raw, &object); err != nil {
				t.Fatal(err)
			}
			hash := sha256.Sum256(client)
			signature, err := a.Key.Sign(slices.Concat(object.AuthData, hash[:]))
			if err != nil {
				t.Fatal(err)
			}
			raw, err = webauthncbor.Marshal(map[string]any{
				"fmt": "packed", "authData": object.AuthData,
				"attStmt": map[string]any{"alg": int64(authenticator.ES256), "sig": spoil(signature)},
			})
			if err != nil {
				t.Fatal(err)
			}
			response["attestationObject"] = encode(raw)
		}
	}
}

func TestAttestationThatWasAskedForIsVerified(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func([]byte) []byte
		want  error
	}{
		{"honest", func(s []byte) []byte { return s }, nil},
		{"with a bit flipped", flipLast, ceremony.ErrPasskey},
		{"without a signature", func([]byte) []byte { return nil }, ceremony.ErrPasskey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			ann := r.user(t, "ann@example.com")
			options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, ceremony.Wishes{Attestation: "direct"})
			if err != nil {
				t.Fatal(err)
			}
			a := newAuthenticator()
			answer, err := a.Create(options, selfAttested(t, tt.spoil))
			if err != nil {
				t.Fatal(err)
			}
			passkey, err := r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, answer)
			if !errors.Is(err, tt.want) {
				t.Fatalf("FinalizeRegistration = %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			if passkey.AttestationFormat != "packed" || passkey.AttestationType != "basic_surrogate" {
				t.Errorf("kept as %s, %s; want packed, basic_surrogate (self attestation)", passkey.AttestationFormat, passkey.AttestationType)
			}
			if _, err := r.login(t, a, honest); err != nil {
				t.Errorf("login with it: %v", err)
			}
		})
	}
}

// Android and Windows look for a passkey only where its transports say.
func TestAllowedPasskeysHaveNoTransports(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	if passkey := r.register(t, newAuthenticator(), ann); len(passkey.Transports) == 0 {
		t.Fatal("the passkey has no transports to leave out")
	}
	if options := r.options(t, site, &ann); strings.Contains(string(options), "transports") || !strings.Contains(string(options), "allowCredentials") {
		t.Errorf("options = %s, want allowCredentials without transports", options)
	}
}

func TestSignInTellsThePasskeyAsItIsAfterIt(t *testing.T) {
	r := newRig(t, setup{})
	a := &authenticator.Authenticator{Origin: site.Origin, Counts: true, Synced: true}
	registered := r.register(t, a, r.user(t, "ann@example.com"))
	if !registered.LastUsedAt.IsZero() || !registered.BackupState {
		t.Fatalf("registered: used at %v, backed up %v", registered.LastUsedAt, registered.BackupState)
	}
	r.advance(time.Hour)
	in, err := r.login(t, a, func(a *authenticator.Answer) { a.Flags &^= authenticator.BackupState })
	if err != nil {
		t.Fatal(err)
	}
	kept, err := r.directory.Passkey(t.Context(), registered.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct {
		used  time.Time
		count uint32
		state bool
		id    string
	}{
		"told": {in.Passkey.LastUsedAt, in.Passkey.SignCount, in.Passkey.BackupState, encode(in.Passkey.ID)},
		"kept": {kept.LastUsedAt, kept.SignCount, kept.BackupState, encode(kept.ID)},
	} {
		if !k.used.Equal(r.now()) || k.count != 1 || k.state || k.id != encode(registered.ID) {
			t.Errorf("%s: %s used at %v, count %d, backed up %v; want now, 1, no", name, k.id, k.used, k.count, k.state)
		}
	}
}
