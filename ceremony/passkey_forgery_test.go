package ceremony_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/integration/authenticator"
)

// origins are the ones from which nothing is accepted at site.
var origins = []string{
	"http://app.example.com", "https://app.example.com:8443", "https://app.example.com.", "https://sibling.example.com",
	"https://example.com", "https://evilapp.example.com", "https://app.example.com.evil.test", "https://evil.test",
	"https://app.example.com@evil.test", "null", "", "android:apk-key-hash:AAAA", "file://",
	"HTTPS://app.example.com", "https://APP.example.com", "https://app.example.com:443", "https://app.example.com/", "https://app.example.com/path",
	"https://evil.test@app.example.com", "https://app.example.com?x", "https://app.example.com#x", " https://app.example.com", "https://app.example.com ",
}

// What a browser or an authenticator writes, forged: each valid but for one
// thing, in both ceremonies.
func forgeries() map[string]change {
	forged := map[string]change{
		"another relying party ID":        func(a *authenticator.Answer) { a.RPID = "app.example.com" },
		"another site's relying party ID": func(a *authenticator.Answer) { a.RPID = "evil.test" },
		"no type":                         func(a *authenticator.Answer) { a.Type = "" },
		"type of a payment":               func(a *authenticator.Answer) { a.Type = "payment.get" },
		"in a frame of another site":      func(a *authenticator.Answer) { a.CrossOrigin, a.TopOrigin = true, "https://evil.test" },
		"in a frame of an unnamed site":   func(a *authenticator.Answer) { a.CrossOrigin = true },
		"in a frame, and denying it":      func(a *authenticator.Answer) { a.TopOrigin = "https://evil.test" },
		"nobody present":                  func(a *authenticator.Answer) { a.Flags &^= authenticator.UserPresent },
		"backed up, but not eligible":     func(a *authenticator.Answer) { a.Flags |= authenticator.BackupState },
	}
	for _, origin := range origins {
		forged["origin "+origin] = func(a *authenticator.Answer) { a.Origin = origin }
	}
	return forged
}

func TestForgedAssertionIsRefusedAndSpendsItsChallenge(t *testing.T) {
	r := newRig(t, setup{})
	bob := r.user(t, "bob@example.com")
	a := newAuthenticator()
	r.register(t, a, r.user(t, "ann@example.com"))
	strangersKey, err := authenticator.NewKey(authenticator.ES256)
	if err != nil {
		t.Fatal(err)
	}
	forged := forgeries()
	forged["type of a registration"] = func(a *authenticator.Answer) { a.Type = "webauthn.create" }
	forged["backup eligible, which it was not"] = func(a *authenticator.Answer) { a.Flags |= authenticator.BackupEligible }
	forged["signature with a bit flipped"] = func(a *authenticator.Answer) { a.Spoil = flipLast }
	forged["no signature"] = func(a *authenticator.Answer) { a.Spoil = func([]byte) []byte { return nil } }
	forged["signed with another key"] = func(a *authenticator.Answer) { a.Key = strangersKey }
	want := map[string]error{
		"credential of nobody":          ceremony.ErrUnknownPasskey,
		"handle of another user":        ceremony.ErrUnknownPasskey,
		"handle with a byte more":       ceremony.ErrUnknownPasskey,
		"challenge that nobody gave":    ceremony.ErrChallenge,
		"challenge in another spelling": ceremony.ErrChallenge,
		"honest":                        nil,
	}
	forged["credential of nobody"] = func(a *authenticator.Answer) { a.CredentialID = []byte("a credential of nobody at all...") }
	forged["handle of another user"] = func(a *authenticator.Answer) { a.UserHandle = bob.Handle() }
	forged["handle with a byte more"] = func(a *authenticator.Answer) { a.UserHandle = append(slices.Clone(a.UserHandle), 0) }
	forged["challenge that nobody gave"] = func(a *authenticator.Answer) { a.Challenge = strings.Repeat("A", 43) }
	forged["challenge in another spelling"] = func(a *authenticator.Answer) { a.Challenge += "=" }
	forged["honest"] = honest

	for name, change := range forged {
		options := r.options(t, site, nil)
		wanted, ok := want[name]
		if !ok {
			wanted = ceremony.ErrPasskey
		}
		_, err := r.passkeys.FinalizeLogin(t.Context(), site, wideOpen, browser, get(t, a, options, change))
		if !errors.Is(err, wanted) {
			t.Errorf("%s: %v, want %v", name, err, wanted)
		}
		if errors.Is(wanted, ceremony.ErrChallenge) {
			continue // it did not name the challenge that it was given
		}
		_, err = r.passkeys.FinalizeLogin(t.Context(), site, wideOpen, browser, get(t, a, options, honest))
		if !errors.Is(err, ceremony.ErrChallenge) {
			t.Errorf("honest answer to the challenge of %q: %v, want ErrChallenge: it is spent", name, err)
		}
	}
}

// recoded changes bytes of the attestation object, which nothing signs without
// attestation.
func recoded(old, changed string) change {
	return func(a *authenticator.Answer) {
		a.Amend = func(c map[string]any) {
			response := c["response"].(map[string]any)
			object, err := base64.RawURLEncoding.DecodeString(response["attestationObject"].(string))
			if err != nil || bytes.Count(object, []byte(old)) != 1 {
				panic("nothing to change in the attestation object")
			}
			response["attestationObject"] = encode(bytes.Replace(object, []byte(old), []byte(changed), 1))
		}
	}
}

func TestForgedRegistrationIsRefusedAndSpendsItsChallenge(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	no := false
	forged := forgeries()
	forged["type of a login"] = func(a *authenticator.Answer) { a.Type = "webauthn.get" }
	forged["not discoverable"] = func(a *authenticator.Answer) { a.Discoverable = &no }
	forged["an algorithm that was not asked for"] = recoded("\x01\x02\x03\x26", "\x01\x02\x03\x28")
	forged["a key of another algorithm"] = recoded("\x01\x02\x03\x26", "\x01\x02\x03\x27")
	forged["a key of another type"] = recoded("\x01\x02\x03\x26", "\x01\x01\x03\x26")
	forged["a key of another curve"] = recoded("\x03\x26\x20\x01", "\x03\x26\x20\x02")
	want := map[string]error{
		"no credential in it":            ceremony.ErrMalformed,
		"credential ID of 1024 bytes":    ceremony.ErrMalformed,
		"empty credential ID":            ceremony.ErrMalformed,
		"ID that is not the rawId":       ceremony.ErrMalformed,
		"another type of credential":     ceremony.ErrMalformed,
		"attestation object of one byte": ceremony.ErrMalformed,
		"challenge that nobody gave":     ceremony.ErrChallenge,
		"honest":                         nil,
	}
	forged["no credential in it"] = func(a *authenticator.Answer) { a.Flags &^= authenticator.AttestedData }
	forged["credential ID of 1024 bytes"] = func(a *authenticator.Answer) { a.CredentialID = make([]byte, 1024) }
	forged["empty credential ID"] = func(a *authenticator.Answer) { a.CredentialID = nil }
	forged["ID that is not the rawId"] = func(a *authenticator.Answer) { a.Amend = func(c map[string]any) { c["rawId"] = "AAAA" } }
	forged["another type of credential"] = func(a *authenticator.Answer) { a.Amend = func(c map[string]any) { c["type"] = "password" } }
	forged["attestation object of one byte"] = func(a *authenticator.Answer) {
		a.Amend = func(c map[string]any) { c["response"].(map[string]any)["attestationObject"] = "_w" }
	}
	forged["challenge that nobody gave"] = func(a *authenticator.Answer) { a.Challenge = strings.Repeat("A", 43) }
	forged["honest"] = honest

	for name, change := range forged {
		options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, ann, ceremony.Wishes{})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := newAuthenticator().Create(options, change)
		if err != nil {
			t.Fatal(err)
		}
		wanted, ok := want[name]
		if !ok {
			wanted = ceremony.ErrPasskey
		}
		_, err = r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, answer)
		if !errors.Is(err, wanted) {
			t.Errorf("%s: %v, want %v", name, err, wanted)
		}
		if errors.Is(wanted, ceremony.ErrChallenge) || errors.Is(wanted, ceremony.ErrMalformed) {
			continue
		}
		if answer, err = newAuthenticator().Create(options); err != nil {
			t.Fatal(err)
		}
		if _, err = r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, answer); !errors.Is(err, ceremony.ErrChallenge) {
			t.Errorf("honest answer to the challenge of %q: %v, want ErrChallenge: it is spent", name, err)
		}
	}
	if passkeys, err := r.passkeys.List(t.Context(), site, ann.ID); err != nil || len(passkeys) != 1 {
		t.Errorf("%d passkeys, %v; want the honest one alone", len(passkeys), err)
	}
}

func TestChallengeBelongsToItsCeremony(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	a := newAuthenticator()
	r.register(t, a, ann)
	elsewhere := ceremony.Site{
		Origin: "https://app.example.net", Host: "app.example.net", RelyingParty: ceremony.RelyingParty{ID: "example.net", Name: "Net"},
	}
	registration := func(user directory.User) string {
		options, err := r.passkeys.InitializeRegistration(t.Context(), site, browser, user, ceremony.Wishes{})
		if err != nil {
			t.Fatal(err)
		}
		return readOptions(t, options).Challenge
	}
	answering := func(challenge string) change { return func(a *authenticator.Answer) { a.Challenge = challenge } }
	loginAs := func(s ceremony.Site, c ceremony.Client, challenge string) error {
		_, err := r.passkeys.FinalizeLogin(t.Context(), s, wideOpen, c, get(t, a, r.options(t, site, nil), answering(challenge)))
		return err
	}
	registerAs := func(s ceremony.Site, c ceremony.Client, user directory.User, challenge string) error {
		options, err := r.passkeys.InitializeRegistration(t.Context(), s, c, user, ceremony.Wishes{})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&authenticator.Authenticator{Origin: s.Origin}).Create(options, answering(challenge))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.passkeys.FinalizeRegistration(t.Context(), s, c, user, answer)
		return err
	}
	login := func(s ceremony.Site) string { return readOptions(t, r.options(t, s, nil)).Challenge }
	another, none := browser, browser
	another.Binding, none.Binding = "browser-2", ""

	for name, err := range map[string]error{
		"a registration's, at a login":               loginAs(site, browser, registration(ann)),
		"another relying party's, at a login":        loginAs(site, browser, login(elsewhere)),
		"ours, at a login of another":                loginAs(elsewhere, browser, login(site)),
		"another browser's, at a login":              loginAs(site, another, login(site)),
		"a browser's, at a login without one":        loginAs(site, none, login(site)),
		"a login's, at a registration":               registerAs(site, browser, ann, login(site)),
		"another user's, at a registration":          registerAs(site, browser, bob, registration(ann)),
		"ours, at a registration of another":         registerAs(elsewhere, browser, ann, registration(ann)),
		"another browser's, at a registration":       registerAs(site, another, ann, registration(ann)),
		"a browser's, at a registration of no one's": registerAs(site, none, ann, registration(ann)),
	} {
		if !errors.Is(err, ceremony.ErrChallenge) {
			t.Errorf("challenge of %s: %v, want ErrChallenge", name, err)
		}
	}
	if err := loginAs(site, browser, login(site)); err != nil {
		t.Errorf("its own: %v", err)
	}
	if err := registerAs(site, browser, ann, registration(ann)); err != nil {
		t.Errorf("its own, at a registration: %v", err)
	}
}

func TestMalformedAnswersSpendNothing(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	a := newAuthenticator()
	r.register(t, a, ann)
	options := r.options(t, site, nil)
	amended := func(amend func(map[string]any)) []byte {
		return get(t, a, options, func(a *authenticator.Answer) { a.Amend = amend })
	}
	response := func(c map[string]any) map[string]any { return c["response"].(map[string]any) }
	for name, answer := range map[string][]byte{
		"nothing":                      nil,
		"not JSON":                     []byte("id=1"),
		"null":                         []byte("null"),
		"a list":                       []byte("[]"),
		"two answers":                  append(get(t, a, options, honest), "{}"...),
		"no ID":                        amended(func(c map[string]any) { delete(c, "id") }),
		"rawId of another":             amended(func(c map[string]any) { c["rawId"] = "AAAA" }),
		"type of another credential":   amended(func(c map[string]any) { c["type"] = "password" }),
		"no response":                  amended(func(c map[string]any) { delete(c, "response") }),
		"no client data":               amended(func(c map[string]any) { delete(response(c), "clientDataJSON") }),
		"no authenticator data":        amended(func(c map[string]any) { delete(response(c), "authenticatorData") }),
		"authenticator data cut short": amended(func(c map[string]any) { response(c)["authenticatorData"] = encode(make([]byte, 36)) }),
		"authenticator data too long":  amended(func(c map[string]any) { response(c)["authenticatorData"] = encode(make([]byte, 38)) }),
	} {
		_, err := r.passkeys.FinalizeLogin(t.Context(), site, wideOpen, browser, answer)
		if !errors.Is(err, ceremony.ErrMalformed) {
			t.Errorf("login with %s: %v, want ErrMalformed", name, err)
		} else if challenge := readOptions(t, options).Challenge; strings.Contains(err.Error(), challenge) {
			t.Errorf("the error shows the challenge: %v", err)
		}
		if _, err := r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, answer); !errors.Is(err, ceremony.ErrMalformed) {
			t.Errorf("registration with %s: %v, want ErrMalformed", name, err)
		}
	}
	if _, err := r.passkeys.FinalizeLogin(t.Context(), site, wideOpen, browser, get(t, a, options, honest)); err != nil {
		t.Errorf("honest answer afterwards: %v", err)
	}
}
