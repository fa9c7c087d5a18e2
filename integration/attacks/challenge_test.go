package attacks

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
)

func mustDecode(part any) []byte {
	content, err := base64.RawURLEncoding.DecodeString(part.(string))
	if err != nil {
		panic(err) // what an authenticator of ours wrote
	}
	return content
}

// A client sends an assertion that was used before.
// POST /doorward/webauthn/login/finalize, twice.
func TestT97AssertionIsUsedAgain(t *testing.T) {
	s := Begin(t)
	alice := s.WithPasskey("alice")
	assertion := s.Assert(alice, s.Challenge(A, loginInitialize, struct{}{}))
	if a := s.Post(A, loginFinalize, assertion); a.Status != http.StatusOK {
		t.Fatalf("the first time: %v", a)
	}
	s.rejects("again", s.Post(A, loginFinalize, assertion))
	s.rejects("again, under the older name", s.Post(A, "/doorward/webauthn/authentication/finalize", assertion))
	s.rejects("again, by whom it belongs to", s.Post(A, loginFinalize, assertion, alice.Bearer))
	s.Elsewhere()
	s.rejects("again, from elsewhere", s.Post(A, loginFinalize, assertion))

	// A wrong answer spends the challenge, too: nobody tries until it fits.
	options := s.Challenge(A, loginInitialize, struct{}{})
	wrong := s.Assert(alice, options, func(a *authenticator.Answer) { a.Spoil = func(s []byte) []byte { s[len(s)-1] ^= 1; return s } })
	s.rejects("a wrong signature", s.Post(A, loginFinalize, wrong))
	s.rejects("the right one after it", s.Post(A, loginFinalize, s.Assert(alice, options)))

	registration := s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer)
	created := s.Create(A, registration)
	if a := s.Post(A, registrationFinalize, created, alice.Bearer); a.Status != http.StatusOK {
		t.Fatalf("a second passkey: %v", a)
	}
	s.rejects("a registration again", s.Post(A, registrationFinalize, created, alice.Bearer))
	s.rejects("another passkey for it", s.Post(A, registrationFinalize, s.Create(A, registration), alice.Bearer))
}

// A client answers a challenge that was given to another ceremony, site, user or
// browser.
// POST finalize with the challenge of another initialize.
func TestT98ChallengeIsAnothers(t *testing.T) {
	s := Begin(t)
	alice, bob := s.WithPasskey("alice"), s.SignedIn("bob")
	login := func(site string, fields ...string) []byte {
		return s.Challenge(site, loginInitialize, struct{}{}, fields...)
	}
	registration := func(p *Person) []byte { return s.Challenge(A, registrationInitialize, struct{}{}, p.Bearer) }

	finalize := func(options []byte, fields ...string) Answer {
		return s.Post(A, loginFinalize, s.Assert(alice, login(A), answering(options)), fields...)
	}
	s.rejects("of a registration", finalize(registration(alice)))
	s.rejects("of another site", finalize(login(C)))
	s.rejects("of nobody", finalize([]byte(`{"publicKey":{"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}`)))
	s.rejects("none", finalize([]byte(`{}`)))
	s.rejects("of bob, who is signed in and has no passkey, in alice's name", finalize(registration(bob)))
	bob.Key = alice.Key
	for name, change := range map[string]change{
		"padded":            func(a *authenticator.Answer) { a.Challenge += "=" },
		"with a line break": func(a *authenticator.Answer) { a.Challenge += "\n" },
		"in plain base64": func(a *authenticator.Answer) {
			a.Challenge = base64.StdEncoding.EncodeToString(mustDecode(a.Challenge))
		},
		"in hexadecimal":     func(a *authenticator.Answer) { a.Challenge = fmt.Sprintf("%x", mustDecode(a.Challenge)) },
		"encoded twice":      func(a *authenticator.Answer) { a.Challenge = encode(a.Challenge) },
		"cut short":          func(a *authenticator.Answer) { a.Challenge = a.Challenge[:len(a.Challenge)-1] },
		"and more":           func(a *authenticator.Answer) { a.Challenge += "A" },
		"a path to it":       func(a *authenticator.Answer) { a.Challenge = "../login/" + a.Challenge },
		"of 64 KiB":          func(a *authenticator.Answer) { a.Challenge = encode(make([]byte, 40<<10)) },
		"a spare bit set":    func(a *authenticator.Answer) { a.Challenge = spareBit(a.Challenge) },
		"with a space ahead": func(a *authenticator.Answer) { a.Challenge = " " + a.Challenge },
	} {
		s.rejects(name, s.Post(A, loginFinalize, s.Assert(alice, login(A), change)))
	}

	// What a page begins belongs to its browser.
	page := []string{"Origin: " + s.Origin(A), "Sec-Fetch-Site: same-origin"}
	begun := s.Post(A, loginInitialize, struct{}{}, page...)
	binding := begun.Cookie("__Host-doorward-browser")
	if binding == "" {
		t.Fatalf("the page's ceremony is bound to nothing: %v", begun)
	}
	s.rejects("of another browser", s.Post(A, loginFinalize, s.Assert(alice, []byte(begun.Body)), append(page, "Cookie: __Host-doorward-browser=AAAAAAAAAAAAAAAAAAAAAAAAAA")...))
	begun = s.Post(A, loginInitialize, struct{}{}, page...)
	s.rejects("of a browser, by a program", s.Post(A, loginFinalize, s.Assert(alice, []byte(begun.Body))))
	begun = s.Post(A, loginInitialize, struct{}{}, page...)
	own := append(page, "Cookie: __Host-doorward-browser="+begun.Cookie("__Host-doorward-browser"))
	if a := s.Post(A, loginFinalize, s.Assert(alice, []byte(begun.Body)), own...); a.Status != http.StatusOK {
		t.Errorf("of this browser: %v", a)
	}

	register := func(options []byte, p *Person) Answer {
		return s.Post(A, registrationFinalize, s.Create(A, registration(p), answering(options)), p.Bearer)
	}
	s.rejects("of a login, at a registration", register(login(A), alice))
	s.rejects("of alice, at bob's registration", register(registration(alice), bob))
	s.rejects("a registration by nobody", s.Post(A, registrationFinalize, s.Create(A, registration(alice))))
	if list := s.Passkeys(A, bob); len(list) != 0 {
		t.Errorf("bob has %d passkeys, want none", len(list))
	}

	// The answer to the one is no answer to the other.
	s.rejects("a registration's answer at a login", s.Post(A, loginFinalize, s.Create(A, registration(alice))))
	s.rejects("a login's answer at a registration", s.Post(A, registrationFinalize, s.Assert(alice, login(A)), alice.Bearer))
}

// spareBit returns another spelling of the same bytes, where base64url has one.
func spareBit(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range alphabet {
		if alphabet[i] == s[len(s)-1] {
			return s[:len(s)-1] + string(alphabet[i^1])
		}
	}
	return s
}

// A client answers a challenge after its five minutes. What the gateway keeps of it is
// made older in the store, since its clock cannot be moved from outside.
// POST initialize; six minutes; POST finalize.
func TestT99ChallengeHasExpired(t *testing.T) {
	s := Begin(t)
	alice := s.WithPasskey("alice")
	inside := s.insider()
	late := func(ceremony string, options []byte) {
		sum := sha256.Sum256([]byte(challengeOf(options)))
		inside.rewrite("passkey/"+ceremony+"/"+encode(sum[:]), func(value map[string]any) {
			expires, err := time.Parse(time.RFC3339Nano, value["expires"].(string))
			if left := time.Until(expires); err != nil || left < 4*time.Minute || left > 5*time.Minute {
				t.Errorf("a challenge is good for %v, %v; want 5m", left, err)
			}
			value["expires"] = expires.Add(-6 * time.Minute)
		})
	}
	options := s.Challenge(A, loginInitialize, struct{}{})
	late("login", options)
	s.rejects("an answer too late", s.Post(A, loginFinalize, s.Assert(alice, options)))
	s.rejects("and again", s.Post(A, loginFinalize, s.Assert(alice, options)))

	options = s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer)
	late("registration", options)
	s.rejects("a registration too late", s.Post(A, registrationFinalize, s.Create(A, options), alice.Bearer))
	if list := s.Passkeys(A, alice); len(list) != 1 {
		t.Errorf("%d passkeys, want the first alone", len(list))
	}
	if a := s.SignInByPasskey(A, alice); a.Status != http.StatusOK {
		t.Errorf("in time: %v", a)
	}
}

// Fifty clients send the answer to one challenge at once.
// 50 x POST /doorward/webauthn/login/finalize.
func TestT100ChallengeIsAnsweredByManyAtOnce(t *testing.T) {
	s := Begin(t)
	alice := s.WithPasskey("alice")
	assertion := s.Assert(alice, s.Challenge(A, loginInitialize, struct{}{}))
	won := 0
	for _, a := range s.atOnce(A, 50, s.post(A, loginFinalize, assertion)) {
		switch a.Status {
		case http.StatusOK:
			won++
		case http.StatusUnauthorized:
		default:
			t.Errorf("one of many: %v", a)
		}
	}
	if won != 1 {
		t.Errorf("%d of 50 signed in with one assertion, want 1", won)
	}
	created := s.Create(A, s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer))
	won = 0
	for _, a := range s.atOnce(A, 20, s.post(A, registrationFinalize, created, alice.Bearer)) {
		if a.Status == http.StatusOK {
			won++
		}
	}
	if list := s.Passkeys(A, alice); won != 1 || len(list) != 2 {
		t.Errorf("%d of 20 registered one passkey, and there are %d; want 1, 2", won, len(list))
	}
}

// post returns the bytes of a request with a JSON body.
func (s *Scene) post(site, target string, body json.RawMessage, fields ...string) string {
	fields = append(fields, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))
	return s.Request(site, "POST", target, fields...) + string(body)
}

// atOnce sends the same bytes on n connections at the same time.
func (s *Scene) atOnce(site string, n int, request string) []Answer {
	s.T.Helper()
	return s.eachAtOnce(site, n, func(int) string { return request })
}

// eachAtOnce sends n requests on connections of their own: all but the last byte of
// each before the last byte of any.
func (s *Scene) eachAtOnce(site string, n int, request func(int) string) []Answer {
	s.T.Helper()
	conns, last := make([]net.Conn, n), make([]string, n)
	for i := range conns {
		conns[i] = s.Dial(site)
		bytes := request(i)
		last[i] = bytes[len(bytes)-1:]
		if _, err := io.WriteString(conns[i], bytes[:len(bytes)-1]); err != nil {
			s.T.Fatal(err)
		}
	}
	answers := make([]Answer, n)
	var all sync.WaitGroup
	for i, conn := range conns {
		all.Go(func() {
			_, _ = io.WriteString(conn, last[i])
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return // an Answer of status 0
			}
			body, _ := io.ReadAll(response.Body)
			answers[i] = Answer{Site: site, Target: "/doorward/", Status: response.StatusCode, Header: response.Header, Body: string(body), Cookies: response.Cookies()}
		})
	}
	all.Wait()
	for _, a := range answers {
		s.Note(a)
	}
	return answers
}
