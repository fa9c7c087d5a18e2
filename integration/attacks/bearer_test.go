package attacks

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A client presents a session token where no session token counts.
// GET /?access_token=..., Basic, another cookie, a form, X-Auth-Token.
func TestT122TokenIsInAnotherPlace(t *testing.T) {
	f := newForger(t)
	// As good as alice's own, and in nobody's hands: logs have the query of a request.
	token := forge(f.header, f.claims, es256(f.insider().key(f.alice.Token)))
	f.alive("where it belongs", token)
	for _, name := range []string{"access_token", "token", "session_token", "auth", "jwt", "id_token", "Authorization", "__Host-doorward", "X-Auth-Token"} {
		f.refused("the query parameter "+name, f.Get(C, "/?"+name+"="+token))
		f.refused("the query parameter "+name+", at an endpoint", f.Get(C, "/doorward/me?"+name+"="+token))
		f.refused("the form field "+name, f.Post(C, "/", name+"="+token, "Content-Type: application/x-www-form-urlencoded"))
		f.refused("the JSON field "+name, f.Post(C, "/doorward/logout", map[string]string{name: token}))
	}
	basic := func(s string) string { return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, field := range []string{
		"X-Auth-Token: " + token, "x_auth_token: " + token, "Proxy-Authorization: Bearer " + token, "X-Authorization: Bearer " + token,
		"Authentication: Bearer " + token, "X-Access-Token: " + token, "X-Api-Key: " + token, "Remote-User: " + f.alice.Address,
		"Authorization: " + token, "Authorization: Basic " + token, "Authorization: Token " + token, "Authorization: JWT " + token,
		"Authorization: DPoP " + token, "Authorization: Bearer" + token, "Authorization: Bearer=" + token, "Authorization: Bearer\t" + token,
		"Authorization: Bearer " + token + ", Bearer " + token, "Authorization: Bearer " + token + " x", "Authorization: Bearer \"" + token + "\"",
		"Authorization: Bearer token=" + token, "Authorization: Basic x, Bearer " + token, basic("bearer:" + token), basic(token + ":"), basic(f.alice.Address + ":" + token),
		"Sec-WebSocket-Protocol: bearer, " + token, "Cookie: doorward=" + token, "Cookie: __Secure-doorward=" + token, "Cookie: hanko=" + token,
		"Cookie: __host-doorward=" + token, "Cookie: __Host-Doorward=" + token, "Cookie: __Host-doorward-browser=" + token, "Cookie: __Host-doorwar=" + token,
		"Cookie: x__Host-doorward=" + token, "Cookie: access_token=" + token, "Cookie: $Version=1; __Host-doorwardx=" + token,
		"Cookie: \"__Host-doorward\"=" + token, "Cookie: __Host-doorward%3D" + token, "Cookie: %5F_Host-doorward=" + token, "Cookie: __Host-doorward =" + token,
		"Cookie: x=\"1; __Host-doorward-x=" + token + "\"", "Cookie2: __Host-doorward=" + token,
	} {
		f.refused(field[:min(len(field), 40)], f.Get(C, "/", field))
	}
	f.alive("where it belongs, at last", token)
}

// refused checks that an answer denies, and nothing reached the app.
func (f *forger) refused(name string, a Answer) {
	f.T.Helper()
	if seen := f.Seen(); a.Status != http.StatusUnauthorized && a.Status != http.StatusBadRequest || len(seen) > 0 {
		f.T.Errorf("%s: %v, want 401; reached the app: %q", name, a, seen)
	}
}

// An app replays the assertion that it was given, as if it were its visitor.
// GET /, Authorization: Bearer {the X-Auth-Token that the app saw}.
func TestT123AssertionIsReplayedAsASession(t *testing.T) {
	f := newForger(t)
	if a := f.Get(C, "/", f.alice.Cookie); a.Status != http.StatusOK {
		t.Fatal(a)
	}
	assertion := f.One().Values("X-Auth-Token")[0]
	f.dead("the assertion of this app", assertion)

	// The same session, taken to another app: neither it nor what that app saw opens
	// this one.
	bob := f.SignedIn("bob", "staff")
	if a := f.Get(A, "/", bob.Cookie); a.Status != http.StatusOK {
		t.Fatal(a)
	}
	f.dead("the assertion of another app", f.One().Values("X-Auth-Token")[0])
	f.dead("the session of another app", bob.Token)
	for _, site := range []string{A, B} {
		f.refused("a session taken to "+site, f.Get(site, "/", f.alice.Bearer))
		f.refused("a session taken to "+site, f.Get(site, "/", f.alice.Cookie))
		f.refused("an assertion taken to "+site, f.Get(site, "/", "Authorization: Bearer "+assertion))
	}

	// Made to look like a session token, its signature is none.
	header, _ := parseToken(t, assertion)
	parts := strings.Split(assertion, ".")
	f.dead("the assertion with another typ", header.with("typ", "doorward-session+jwt").part()+"."+parts[1]+"."+parts[2])
	own := strings.Split(f.alice.Token, ".")
	f.dead("the header of the one, the claims of the other", own[0]+"."+parts[1]+"."+own[2])
	f.dead("the claims of the one, the signature of the other", own[0]+"."+own[1]+"."+parts[2])
	if a := f.Post(C, "/doorward/sessions/validate", map[string]string{"session_token": assertion}); a.Status != http.StatusOK || strings.Contains(a.Body, "true") {
		t.Errorf("an assertion is a valid session: %v", a)
	}
	f.alive("the session", f.alice.Token)
}

// A client guesses a token byte by byte, or uses one that was revoked. There are no
// machine tokens: the tokens that programs hold are those of sessions.
// GET /, Authorization: Bearer {a token with a byte changed}.
func TestT127TokenIsGuessedOrRevoked(t *testing.T) {
	f := newForger(t)
	token := f.alice.Token
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var requests strings.Builder
	var changed []int
	for i := range token {
		if last := strings.LastIndexByte(token, '.'); i < last && i%23 != 0 {
			continue // of header and claims some, of the signature all
		}
		next := alphabet[(strings.IndexByte(alphabet, token[i])+1)%len(alphabet)]
		changed = append(changed, i)
		requests.WriteString(f.Request(C, "GET", "/", "Authorization: Bearer "+token[:i]+string(next)+token[i+1:], "Connection: keep-alive"))
	}
	answers := f.Stream(C, requests.String()+f.Request(C, "GET", "/healthz"))
	if len(answers) != len(changed)+1 {
		t.Fatalf("%d answers, want %d", len(answers), len(changed)+1)
	}
	body := withoutID(answers[0])
	for n, a := range answers[:len(changed)] {
		if a.Status != http.StatusUnauthorized || withoutID(a) != body {
			t.Errorf("byte %d of %d changed: %v, want 401 and the answer of every other guess", changed[n], len(token), a)
		}
	}
	f.Quiet()
	for _, n := range []int{1, 2, 4, 10, len(token) / 2, len(token) - 2, len(token) - 1} {
		f.dead("cut short", token[:n])
	}
	f.alive("the whole token", token)

	if a := f.Post(C, "/doorward/logout", struct{}{}, f.alice.Bearer); a.Status != http.StatusNoContent {
		t.Fatalf("signing out: %v", a)
	}
	f.dead("revoked", token)
	if a := f.Post(C, "/doorward/sessions/validate", map[string]string{"session_token": token}); strings.Contains(a.Body, "true") {
		t.Errorf("revoked, and valid: %v", a)
	}
	f.SignIn(C, f.alice)
	f.dead("revoked, while its owner has another", token)
	f.Admin(t, "DELETE", "/doorward/users/"+f.alice.ID+"/sessions", nil)
	f.dead("revoked by an operator", f.alice.Token)
}

// withoutID returns the body of an answer: problem documents of refusals are alike.
func withoutID(a Answer) string {
	var body map[string]any
	if json.Unmarshal([]byte(a.Body), &body) != nil {
		return a.Body
	}
	delete(body, "id")
	content, _ := json.Marshal(body)
	return string(content)
}

// A client presents two credentials, of two people.
// GET /, Cookie of alice, Authorization: Bearer of bob.
func TestT128TwoCredentialsAtOnce(t *testing.T) {
	f := newForger(t)
	alice, bob, dead := f.alice, f.Person("bob", "staff"), f.Person("eve")
	f.SignIn(C, bob)
	f.SignIn(C, dead)
	if a := f.Post(C, "/doorward/logout", struct{}{}, dead.Bearer); a.Status != http.StatusNoContent {
		t.Fatalf("signing out: %v", a)
	}
	elsewhere := f.SignedIn("carol", "admins") // at another site

	for name, tt := range map[string]struct {
		fields []string
		want   *Person // nil: denied
	}{
		"the bearer token comes first":          {[]string{alice.Cookie, bob.Bearer}, bob},
		"whatever the order of the fields":      {[]string{bob.Bearer, alice.Cookie}, bob},
		"a dead bearer token, a living cookie":  {[]string{dead.Bearer, alice.Cookie}, alice},
		"a living bearer token, a dead cookie":  {[]string{alice.Bearer, dead.Cookie}, alice},
		"a bearer token of another site":        {[]string{elsewhere.Bearer, alice.Cookie}, alice},
		"a bearer token of the app":             {[]string{"Authorization: Bearer ghp_0123456789", alice.Cookie}, alice},
		"another scheme":                        {[]string{"Authorization: Basic eDp4", alice.Cookie}, alice},
		"both dead":                             {[]string{dead.Bearer, dead.Cookie}, nil},
		"two bearer tokens of two people":       {[]string{alice.Bearer, bob.Bearer}, nil},
		"two bearer tokens, one of them dead":   {[]string{dead.Bearer, bob.Bearer}, nil},
		"two bearer tokens of two, in one line": {[]string{alice.Bearer + ", Bearer " + bob.Token}, nil},
		"the same bearer token twice":           {[]string{alice.Bearer, alice.Bearer}, nil},
		"two bearer tokens and a cookie":        {[]string{bob.Bearer, bob.Bearer, alice.Cookie}, alice},
		"two cookies of one name":               {[]string{alice.Cookie + "; __Host-doorward=" + bob.Token}, alice},
		"two cookies of one name, two fields":   {[]string{alice.Cookie, bob.Cookie}, alice},
		"two cookies, the first of them dead":   {[]string{dead.Cookie + "; __Host-doorward=" + bob.Token}, nil},
		"two cookies, the first of them empty":  {[]string{"Cookie: __Host-doorward=; __Host-doorward=" + bob.Token}, nil},
		"an identity beside it":                 {[]string{alice.Cookie, "X-Auth-Token: " + bob.Token, "Remote-User: " + bob.Address}, alice},
	} {
		a := f.Get(C, "/", tt.fields...)
		if tt.want == nil {
			if seen := f.Seen(); a.Status != http.StatusUnauthorized || len(seen) > 0 {
				t.Errorf("%s: %v, want 401; reached the app: %q", name, a, seen)
			}
			continue
		}
		if a.Status != http.StatusOK {
			t.Errorf("%s: %v, want that %s passes", name, a, tt.want.Address)
			continue
		}
		f.is(name, f.One(), tt.want)
		if me := f.Get(C, "/doorward/me", tt.fields...); !strings.Contains(me.Body, tt.want.ID) {
			t.Errorf("%s: the endpoints take it for another: %v", name, me)
		}
	}

	// What is done with two credentials is done to one account.
	f.Post(C, "/doorward/logout", struct{}{}, bob.Bearer, alice.Cookie)
	f.dead("signed out by the bearer token", bob.Token)
	f.alive("the cookie beside it", alice.Token)
}

// is checks that the app was told of one person in every claim and header, and got
// nobody's session token.
func (f *forger) is(name string, b Bytes, want *Person) {
	f.T.Helper()
	_, claims := parseToken(f.T, b.Values("X-Auth-Token")[0])
	groups, _ := claims["groups"].([]any)
	if claims["sub"] != want.ID || claims["email"] != want.Address || len(groups) != len(want.Groups) || len(groups) > 0 && groups[0] != want.Groups[0] {
		f.T.Errorf("%s: the app was told %v, want %s of %q", name, claims, want.Address, want.Groups)
	}
	if got := strings.Join(b.Values("Remote-Groups"), ","); got != strings.Join(want.Groups, ",") {
		f.T.Errorf("%s: the app was told groups %q, want %q", name, got, want.Groups)
	}
	if strings.Contains(b.Head, want.Token) {
		f.T.Errorf("%s: the app has the session token: %q", name, b.Head)
	}
}
