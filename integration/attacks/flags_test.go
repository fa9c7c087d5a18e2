package attacks

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/authenticator"
)

const (
	present  = authenticator.UserPresent
	verified = authenticator.UserVerified
)

// An authenticator answers without its user, or without having verified them where
// that is required.
// POST finalize with the flags UP=0; UV=0.
func TestT104UserIsNotPresentOrNotVerified(t *testing.T) {
	s := verifying().Begin(t)
	alice := s.WithPasskey("alice")
	for name, flags := range map[string]byte{
		"nobody present, nobody verified": 0, "nobody present": verified, "nobody verified": present,
		"backed up, not eligible": present | verified | authenticator.BackupState, "eligible, which it was not": present | verified | authenticator.BackupEligible,
		"extensions that are not there": present | verified | authenticator.Extensions, "a credential that is not there": present | verified | authenticator.AttestedData,
	} {
		change := func(a *authenticator.Answer) {
			a.Flags = flags
			if flags&authenticator.AttestedData != 0 {
				a.Amend = func(c map[string]any) { // the flag without what it stands for
					response := c["response"].(map[string]any)
					response["authenticatorData"] = encode(mustDecode(response["authenticatorData"])[:37])
				}
			}
		}
		s.rejects("a login: "+name, s.SignInByPasskey(A, alice, change))
		options := s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer)
		if flags != present|verified|authenticator.BackupEligible { // a new one may be
			s.rejects("a registration: "+name, s.Post(A, registrationFinalize, s.Create(A, options, func(a *authenticator.Answer) {
				a.Flags = flags | authenticator.AttestedData
				if flags&authenticator.AttestedData != 0 {
					a.Flags &^= authenticator.AttestedData
				}
			}), alice.Bearer))
		}
	}
	// The flags are signed: they cannot be set afterwards.
	s.rejects("verified, as an afterthought", s.SignInByPasskey(A, alice, func(a *authenticator.Answer) {
		a.Flags = present
		a.Amend = func(c map[string]any) {
			response := c["response"].(map[string]any)
			data := mustDecode(response["authenticatorData"])
			data[32] |= verified
			response["authenticatorData"] = encode(data)
		}
	}))
	if a := s.SignInByPasskey(A, alice); a.Status != http.StatusOK {
		t.Errorf("present and verified: %v", a)
	}
	if list := s.Passkeys(A, alice); len(list) != 1 {
		t.Errorf("%d passkeys, want 1", len(list))
	}
}

// A client edits the options that it was given, or asks for weaker ones.
// POST initialize {"options":{"userVerification":"discouraged"}}; finalize, UV=0.
func TestT105OptionsAreEditedByTheClient(t *testing.T) {
	s := verifying().Begin(t)
	alice := s.WithPasskey("alice")
	unverified := func(a *authenticator.Answer) { a.Flags = a.Flags &^ verified }
	for _, wish := range []string{
		`{"options":{"userVerification":"discouraged"}}`, `{"options":{"userVerification":"preferred"}}`, `{"options":{"authenticatorSelection":{"userVerification":"discouraged"}}}`,
		`{"userVerification":"discouraged"}`, `{"publicKey":{"userVerification":"discouraged","rpId":"evil.test","challenge":"AAAA"}}`,
		`{"options":{"rpId":"evil.test","challenge":"AAAA","timeout":1,"allowCredentials":[],"residentKey":"discouraged","authenticatorSelection":{"residentKey":"discouraged","requireResidentKey":false}}}`,
		`{"options":{"extensions":{"appid":"https://evil.test"},"pubKeyCredParams":[{"type":"public-key","alg":-65535}],"excludeCredentials":[]}}`,
	} {
		options := s.Challenge(A, loginInitialize, json.RawMessage(wish))
		if got := string(options); !strings.Contains(got, `"userVerification":"required"`) || strings.Contains(got, "evil") || strings.Contains(got, `"AAAA"`) {
			t.Errorf("%s gets %s", wish, got)
		}
		s.rejects(wish+", unverified", s.Post(A, loginFinalize, s.Assert(alice, options, unverified)))
		options = s.Challenge(A, registrationInitialize, json.RawMessage(wish), alice.Bearer)
		if got := string(options); !strings.Contains(got, `"userVerification":"required"`) || !strings.Contains(got, `"residentKey":"required"`) || strings.Contains(got, "-65535") || !strings.Contains(got, `"excludeCredentials":[{`) {
			t.Errorf("%s gets %s", wish, got)
		}
		s.rejects(wish+", unverified", s.Post(A, registrationFinalize, s.Create(A, options, unverified), alice.Bearer))
	}
	for _, wrong := range []string{`{"options":{"userVerification":"none"}}`, `{"options":{"userVerification":["required"]}}`, `{"options":{"userVerification":0}}`, `{"options":[]}`, `{"user_id":"x"}`} {
		if a := s.Post(A, loginInitialize, json.RawMessage(wrong)); a.Status != http.StatusBadRequest {
			t.Errorf("%s: %v, want 400", wrong, a)
		}
	}

	// What the client makes of honest options, instead of what they ask for.
	no := false
	for name, change := range map[string]change{
		"not discoverable":             func(a *authenticator.Answer) { a.Discoverable = &no },
		"an algorithm not asked for":   attesting("\x01\x02\x03\x26", "\x01\x02\x03\x28"),
		"an algorithm of another type": attesting("\x01\x02\x03\x26", "\x01\x02\x03\x27"),
		"a key of another type":        attesting("\x01\x02\x03\x26", "\x01\x01\x03\x26"),
		"another curve":                attesting("\x03\x26\x20\x01", "\x03\x26\x20\x02"),
		"a coordinate too long":        attesting("\x21\x58\x20", "\x21\x58\x21"),
		"a statement under none":       attesting("attStmt\xa0", "attStmt\xa1\x61x\x01"),
		"a packed one without any":     attesting("fmtdnone", "fmtfpacked"),
		"an unknown one":               attesting("fmtdnone", "fmtdevil"),
		"no format":                    attesting("cfmtdnone", "cfmu\x64none"),
		"not the end of it":            attesting("\xa3cfmt", "\xbfcfmt"),
		"a map of very many":           attesting("\xa3cfmt", "\xbb\xff\xff\xff\xff\xff\xff\xff\xffcfmt"),
	} {
		options := s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer)
		s.rejects(name, s.Post(A, registrationFinalize, s.Create(A, options, change), alice.Bearer))
	}
	if list := s.Passkeys(A, alice); len(list) != 1 {
		t.Errorf("%d passkeys, want 1", len(list))
	}

	// Where a site does not require it, a client may ask for more, and is held to that.
	open := Begin(t)
	bob := open.WithPasskey("bob")
	options := open.Challenge(A, loginInitialize, json.RawMessage(`{"options":{"userVerification":"required"}}`))
	open.rejects("asked to be verified, and not verified", open.Post(A, loginFinalize, open.Assert(bob, options, unverified)))
	if a := open.SignInByPasskey(A, bob, unverified); a.Status != http.StatusOK {
		t.Errorf("unverified, where nobody asked: %v", a)
	}
}

// Somebody has a copy of an authenticator: its count does not grow. One that stays at
// zero does not count, as synced passkeys do not.
// POST finalize with the count 10, then 3; 0, then 0.
func TestT109SignCountGoesBack(t *testing.T) {
	s := Begin(t)
	alice := s.WithPasskey("alice")
	count := func(n uint32) Answer {
		return s.SignInByPasskey(A, alice, func(a *authenticator.Answer) { a.SignCount = n })
	}
	for _, n := range []uint32{0, 0, 10} {
		if a := count(n); a.Status != http.StatusOK {
			t.Fatalf("count %d: %v", n, a)
		}
	}
	for _, n := range []uint32{3, 10, 9, 0, 1} {
		s.rejects("a count that does not grow", count(n))
	}
	if a := count(11); a.Status != http.StatusOK {
		t.Errorf("the count that comes next: %v", a)
	}
	options := s.Challenge(A, loginInitialize, struct{}{})
	s.rejects("a count that was set afterwards", s.Post(A, loginFinalize, s.Assert(alice, options, func(a *authenticator.Answer) {
		a.SignCount = 3
		a.Amend = func(c map[string]any) {
			response := c["response"].(map[string]any)
			data := mustDecode(response["authenticatorData"])
			data[33] = 0xff
			response["authenticatorData"] = encode(data)
		}
	})))
	noted := 0
	for _, event := range s.insider().events(alice) {
		if event.Type == "passkey_clone_suspected" {
			noted++
		}
	}
	if noted != 5 {
		t.Errorf("%d audit records of a suspected clone, want 5", noted)
	}

	// Two answers with the same count, at once: one of them is the copy's.
	copies := []json.RawMessage{}
	for range 8 {
		copies = append(copies, s.Assert(alice, s.Challenge(A, loginInitialize, struct{}{}), func(a *authenticator.Answer) { a.SignCount = 20 }))
	}
	won := 0
	for _, a := range s.eachAtOnce(A, len(copies), func(i int) string { return s.post(A, loginFinalize, copies[i]) }) {
		if a.Status == http.StatusOK {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d answers with one count were taken, want 1", won, len(copies))
	}
}
