package attacks

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/integration/authenticator"
)

const credentials = "/doorward/webauthn/credentials/"

// Somebody registers the credential ID of somebody else's passkey, with a key of
// their own.
// POST registration/finalize with alice's credential ID, as mallory.
func TestT108CredentialIsRegisteredTwice(t *testing.T) {
	s := Begin(t)
	alice, mallory := s.WithPasskey("alice"), s.SignedIn("mallory")
	id := alice.Key.Credentials[0].ID
	same := func(a *authenticator.Answer) { a.CredentialID = id }
	register := func(p *Person) Answer {
		return s.Post(A, registrationFinalize, s.Create(A, s.Challenge(A, registrationInitialize, struct{}{}, p.Bearer), same), p.Bearer)
	}
	for name, p := range map[string]*Person{"by mallory": mallory, "by alice": alice} {
		if a := register(p); a.Status != http.StatusConflict {
			t.Errorf("registered again %s: %v, want 409", name, a)
		}
	}
	if list := s.Passkeys(A, mallory); len(list) != 0 {
		t.Errorf("mallory has %q, want nothing", list)
	}
	if list := s.Passkeys(A, alice); len(list) != 1 || list[0] != encode(id) {
		t.Errorf("alice has %q, want her own", list)
	}
	a := s.SignInByPasskey(A, alice)
	if a.Status != http.StatusOK || !strings.Contains(a.Body, alice.ID) {
		t.Errorf("alice's passkey signs in: %v, want her", a)
	}
	if got := string(s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer)); !strings.Contains(got, encode(id)) {
		t.Errorf("her passkey is not excluded: %s", got)
	}
	if got := string(s.Challenge(A, registrationInitialize, struct{}{}, mallory.Bearer)); strings.Contains(got, encode(id)) {
		t.Errorf("her passkey is told to mallory: %s", got)
	}

	// In the name of another: mallory's handle on alice's passkey, and the reverse.
	handle := mustHandle(t, s, mallory)
	for name, change := range map[string]change{
		"mallory's handle":       func(a *authenticator.Answer) { a.UserHandle = handle },
		"no handle":              func(a *authenticator.Answer) { a.UserHandle = nil },
		"an empty handle":        func(a *authenticator.Answer) { a.UserHandle = []byte{} },
		"a handle with a byte":   func(a *authenticator.Answer) { a.UserHandle = append(append([]byte{}, a.UserHandle...), 0) },
		"a credential of nobody": func(a *authenticator.Answer) { a.CredentialID = []byte("nobody has a credential like it") },
		"another key": func(a *authenticator.Answer) {
			a.Key, _ = authenticator.NewKey(authenticator.ES256)
		},
		"an id that is not the rawId": func(a *authenticator.Answer) {
			a.Amend = func(c map[string]any) { c["id"] = encode("nobody has a credential like it") }
		},
	} {
		s.rejects(name, s.SignInByPasskey(A, alice, change))
	}

	// Two register one ID at the same time: one of them has it.
	twice := func(a *authenticator.Answer) { a.CredentialID = []byte(s.name + ", which two want at the same time") }
	var requests []string
	for _, p := range []*Person{mallory, alice, mallory, alice} {
		created := s.Create(A, s.Challenge(A, registrationInitialize, struct{}{}, p.Bearer), twice)
		requests = append(requests, s.post(A, registrationFinalize, created, p.Bearer))
	}
	won := 0
	for _, a := range s.eachAtOnce(A, len(requests), func(i int) string { return requests[i] }) {
		if a.Status == http.StatusOK {
			won++
		}
	}
	if have := len(s.Passkeys(A, alice)) + len(s.Passkeys(A, mallory)); won != 1 || have != 2 {
		t.Errorf("%d registered one ID, and there are %d passkeys; want 1, 2", won, have)
	}
}

// mustHandle returns a person's user handle, which a registration tells its owner.
func mustHandle(t *testing.T, s *Scene, p *Person) []byte {
	t.Helper()
	var o struct {
		PublicKey struct{ User struct{ ID string } } `json:"publicKey"`
	}
	if err := json.Unmarshal(s.Challenge(A, registrationInitialize, struct{}{}, p.Bearer), &o); err != nil {
		t.Fatal(err)
	}
	return mustDecode(o.PublicKey.User.ID)
}

// Somebody finds a session that was left open, or steals its cookie, and makes the
// account theirs.
// POST registration/initialize, 16 minutes after the sign-in.
func TestT113AccountIsChangedWithAnOldSession(t *testing.T) {
	s := verifying().Begin(t)
	alice := s.WithPasskey("alice")
	s.letterAbout(alice, "passkey")
	begun := s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer) // in time
	s.insider().age(alice.Token, 16*time.Minute)
	own := credentials + s.Passkeys(A, alice)[0]
	s.Eventually("the gateway looks at the session again", func() bool {
		return s.Send(A, s.Request(A, "DELETE", credentials+"AAAA", alice.Bearer)).Status == http.StatusForbidden
	})
	for name, a := range map[string]Answer{
		"beginning a registration":   s.Post(A, registrationInitialize, struct{}{}, alice.Bearer),
		"with the cookie":            s.Post(A, registrationInitialize, struct{}{}, alice.Cookie),
		"from our own page":          s.Post(A, registrationInitialize, struct{}{}, alice.Cookie, "Origin: "+s.Origin(A), "Sec-Fetch-Site: same-origin"),
		"ending a registration":      s.Post(A, registrationFinalize, s.Create(A, begun), alice.Bearer),
		"removing the passkey":       s.Send(A, s.Request(A, "DELETE", own, alice.Bearer)),
		"adding an address":          s.Post(A, "/doorward/emails", map[string]string{"address": "evil@example.test"}, alice.Bearer),
		"removing an address":        s.Send(A, s.Request(A, "DELETE", "/doorward/emails/00000000-0000-4000-8000-000000000000", alice.Bearer)),
		"making another one primary": s.Post(A, "/doorward/emails/00000000-0000-4000-8000-000000000000/set_primary", struct{}{}, alice.Bearer),
	} {
		if a.Status != http.StatusForbidden || !strings.Contains(a.Body, "fresh_sign_in_required") {
			t.Errorf("%s: %v, want 403 fresh_sign_in_required", name, a)
		}
	}
	for _, form := range []string{"/doorward/account/passkeys/remove", "/doorward/account/emails/add", "/doorward/account/emails/remove", "/doorward/account/emails/primary"} {
		a := s.Form(A, form, url.Values{"id": {strings.TrimPrefix(own, credentials)}, "email": {"evil@example.test"}}.Encode(), alice.Cookie)
		if to := a.Header.Get("Location"); a.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/doorward/login?return=") || !strings.Contains(to, "fresh=1") {
			t.Errorf("%s: %v, want the way to the sign-in page", form, a)
		}
	}
	if list := s.Passkeys(A, alice); len(list) != 1 {
		t.Errorf("%d passkeys, want 1", len(list))
	}

	// Somebody else's sign-in does not make it fresh; her own does, and is told.
	mallory := s.SignedIn("mallory")
	if a := s.Post(A, registrationInitialize, struct{}{}, alice.Bearer, mallory.Cookie); a.Status != http.StatusForbidden {
		t.Errorf("with a fresh cookie of mallory beside it: %v, want 403", a)
	}
	a := s.SignInByPasskey(A, alice)
	if a.Status != http.StatusOK {
		t.Fatalf("signing in again: %v", a)
	}
	s.adopt(alice, a)
	s.AddPasskey(A, alice)
	s.letterAbout(alice, "passkey")
}

// letterAbout waits for a letter to a person that has a word in it.
func (s *Scene) letterAbout(p *Person, word string) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.mailbox, 30*time.Second)
	defer cancel()
	for {
		letter, err := s.Mailbox.For(ctx, p.Address)
		if err != nil {
			s.T.Fatalf("no letter about a %s to %s: %v", word, p.Address, err)
		}
		if strings.Contains(strings.ToLower(letter.Subject), word) {
			return
		}
	}
}

// Somebody removes or renames a passkey that is not theirs, or gives theirs a name
// that is a script; somebody removes their last one.
// DELETE and PATCH /doorward/webauthn/credentials/{alice's}, as mallory.
func TestT114PasskeyIsRemovedOrRenamed(t *testing.T) {
	s := Begin(t)
	alice, mallory := s.WithPasskey("alice"), s.WithPasskey("mallory")
	hers := s.Passkeys(A, alice)[0]
	nobodys := encode("nobody has a credential like it")
	rename := func(id, name string, fields ...string) Answer {
		content, _ := json.Marshal(map[string]string{"name": name})
		return s.Send(A, strings.Replace(s.post(A, credentials+id, content, fields...), "POST", "PATCH", 1))
	}
	for _, as := range [][]string{{mallory.Bearer}, {mallory.Cookie}} {
		for _, id := range []string{hers, nobodys} { // the same answer for both
			if a := s.Send(A, s.Request(A, "DELETE", credentials+id, as...)); a.Status != http.StatusNotFound {
				t.Errorf("mallory removes %s: %v, want 404", id, a)
			}
			if a := rename(id, "stolen", as...); a.Status != http.StatusNotFound {
				t.Errorf("mallory renames %s: %v, want 404", id, a)
			}
			for _, form := range []string{"rename", "remove"} {
				a := s.Form(A, "/doorward/account/passkeys/"+form, "name=stolen&id="+id, mallory.Cookie)
				if to := a.Header.Get("Location"); a.Status != http.StatusSeeOther || !strings.Contains(to, "problem=") {
					t.Errorf("mallory's form to %s %s: %v", form, id, a)
				}
			}
		}
	}
	s.rejects("nobody removes it", s.Send(A, s.Request(A, "DELETE", credentials+hers)))
	s.rejects("nobody renames it", rename(hers, "stolen"))
	for _, id := range []string{"", "..", "%2e%2e", "*", hers + "=", hers + "%00", strings.ToLower(hers) + "x", "' OR 1=1 --", "null", hers + "/" + hers, strings.Repeat("A", 6000)} {
		a := s.Send(A, s.Request(A, "DELETE", credentials+strings.ReplaceAll(id, " ", "%20"), mallory.Bearer))
		s.rejects("a passkey called "+id[:min(40, len(id))], a)
	}
	if list := s.Passkeys(A, alice); len(list) != 1 || list[0] != hers {
		t.Fatalf("alice has %q, want %s", list, hers)
	}

	// A name comes back as text, wherever it is shown.
	for _, name := range []string{
		`<script>window.__pwned=1</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `</title><svg onload=alert(1)>`, "{{.Name}}", "${alert(1)}",
		"javascript:alert(1)", "&lt;b&gt;",
	} {
		if a := rename(hers, name, alice.Bearer); a.Status != http.StatusOK {
			t.Errorf("a name that is harmless as text: %q: %v", name, a)
			continue
		}
		page := s.Get(A, "/doorward/account", append([]string{alice.Cookie}, Page...)...)
		s.noMarkup(name, page.Body)
		if a := s.Get(A, credentials[:len(credentials)-1], alice.Bearer); strings.Contains(a.Body, "<") || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("the list of passkeys has markup in it: %v", a)
		}
	}
	for _, name := range []string{strings.Repeat("x", 65), "two\nlines", "a\x00b", "a\x1b[31m", "\u202eevil"} {
		if a := rename(hers, name, alice.Bearer); a.Status != http.StatusBadRequest {
			t.Errorf("the name %q: %v, want 400", name, a)
		}
	}

	// The last passkey may go: its owner's mailbox stays a way in, and they are told.
	if a := s.Send(A, s.Request(A, "DELETE", credentials+hers, alice.Bearer)); a.Status != http.StatusNoContent {
		t.Fatalf("removing the last passkey: %v", a)
	}
	s.rejects("a passkey that was removed", s.SignInByPasskey(A, alice))
	s.letterAbout(alice, "removed")
	s.SignIn(A, alice)
}

// noMarkup checks that a page shows a text, and that none of it became an element or
// an attribute.
func (s *Scene) noMarkup(text, page string) {
	s.T.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		s.T.Fatal(err)
	}
	shown := false
	for n := range root.Descendants() {
		if n.Type == html.TextNode && strings.Contains(n.Data, text) {
			shown = true
		}
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" && a.Val == "x" || strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:") && a.Key != "value" {
				s.T.Errorf("%q became an attribute: <%s %s=%q>", text, n.Data, a.Key, a.Val)
			}
			shown = shown || strings.Contains(a.Val, text)
		}
		if n.Data == "script" && n.FirstChild != nil && strings.Contains(n.FirstChild.Data, "pwned") {
			s.T.Errorf("%q became an element <%s>", text, n.Data)
		}
	}
	if !shown {
		s.T.Errorf("%q is not on the page: that proves nothing", text)
	}
}
