package ceremony_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/ceremony"
)

// What is kept of a challenge and was changed at rest is a failure; and an answer to
// one that was not changed signs in if and only if it is what the authenticator
// signed: the same client data, the same authenticator data, the same credential,
// the same user.
func FuzzAnswerWithAChangeIsRefused(f *testing.F) {
	r, rest, sealed := newWorn(f)
	ann := r.user(f, "ann@example.com")
	r.user(f, "bob@example.com")
	a := newAuthenticator()
	r.register(f, a, ann)
	r.passkeys = ceremony.NewPasskeys(ceremony.PasskeyOptions{
		Store: sealed, Directory: r.directory, Letters: r.kept.Letters, Outbox: r.kept.Outbox, Begun: plenty, Now: r.now,
	})
	type response struct {
		ClientData        []byte `json:"clientDataJSON"`
		AuthenticatorData []byte `json:"authenticatorData"`
		Signature         []byte `json:"signature"`
		UserHandle        []byte `json:"userHandle"`
	}
	good := get(f, a, r.options(f, site, nil), honest)
	var answer struct {
		ID       string
		Response map[string]string
	}
	if err := json.Unmarshal(good, &answer); err != nil {
		f.Fatal(err)
	}
	part := func(name string) []byte { return decoded(f, answer.Response[name]) }
	signed := response{part("clientDataJSON"), part("authenticatorData"), part("signature"), part("userHandle")}
	for which := range uint8(7) {
		addSplices(f, func(at, remove uint16, put []byte) { f.Add(which, at, remove, put) })
	}
	for _, origin := range []string{"https://app.example.com.", "https://evil.test"} {
		at := bytes.Index(signed.ClientData, []byte(site.Origin))
		f.Add(uint8(0), uint16(at), uint16(len(site.Origin)), []byte(origin))
	}
	f.Fuzz(func(t *testing.T, which uint8, at, remove uint16, put []byte) {
		sent, id, credential := signed, answer.ID, decoded(t, answer.ID)
		changed, spoilt := false, false
		edit := func(p *[]byte) {
			edited := splice(*p, at, remove, put)
			changed = !bytes.Equal(edited, *p)
			*p = edited
		}
		switch which % 7 {
		case 0:
			edit(&sent.ClientData)
		case 1:
			edit(&sent.AuthenticatorData)
		case 2:
			edit(&sent.Signature)
		case 3:
			edit(&sent.UserHandle)
		case 4:
			edit(&credential)
			id = encode(credential)
		case 5:
			rest.change = func(value []byte) []byte {
				edited := splice(value, at, remove, put)
				spoilt = spoilt || !bytes.Equal(edited, value)
				return edited
			}
		case 6: // all of it, as it is sent
		}
		defer func() { rest.change = nil }()
		body, err := json.Marshal(map[string]any{
			"id": id, "rawId": id, "type": "public-key", "response": map[string]string{
				"clientDataJSON": encode(sent.ClientData), "authenticatorData": encode(sent.AuthenticatorData), "signature": encode(sent.Signature), "userHandle": encode(sent.UserHandle),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if which%7 == 6 {
			body = splice(good, at, remove, put)
		}
		in, err := r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, body)
		switch {
		case spoilt:
			wantFailure(t, "finalize", err)
		case err == nil && in.User.ID != ann.ID:
			t.Errorf("%s signs in %+v", body, in.User)
		case which%7 == 2 && changed && err == nil && equalSignatures(signed.Signature, sent.Signature):
			// Another spelling of the same two numbers.
		case which%7 == 6 && err == nil && !sameAnswer(t, body, signed.ClientData, signed.AuthenticatorData):
			t.Errorf("%s signs in", body)
		case which%7 < 5 && changed && err == nil:
			t.Errorf("part %d, %q in place of %d bytes from %d, signs in", which%7, put, remove, at)
		case which%7 < 6 && !changed && !spoilt && err != nil:
			t.Errorf("nothing was changed: %v", err)
		case err != nil && !slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }):
			t.Errorf("%s: %v, want a refusal", body, err)
		}
	})
}

// sameAnswer reports whether an answer has what was signed.
func sameAnswer(t *testing.T, body, clientData, authenticatorData []byte) bool {
	t.Helper()
	var sent struct {
		Response struct {
			ClientData        string `json:"clientDataJSON"`
			AuthenticatorData string `json:"authenticatorData"`
		}
	}
	return json.Unmarshal(body, &sent) == nil && bytes.Equal(decoded(t, sent.Response.ClientData), clientData) &&
		bytes.Equal(decoded(t, sent.Response.AuthenticatorData), authenticatorData)
}

// equalSignatures reports whether two ECDSA signatures are the same two numbers,
// which DER writes in more than one way where it is read generously.
func equalSignatures(a, b []byte) bool {
	var x, y struct{ R, S *big.Int }
	_, errX := asn1.Unmarshal(a, &x)
	_, errY := asn1.Unmarshal(b, &y)
	return errX == nil && errY == nil && x.R.Cmp(y.R) == 0 && x.S.Cmp(y.S) == 0
}

// decoded reads base64url as generously as any reader; what is none is nil.
func decoded(t testing.TB, s string) []byte {
	t.Helper()
	b, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	return b
}
