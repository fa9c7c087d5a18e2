package attacks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/mail/mailtest"
)

// A house behind a proxy that Caddy trusts, and with a site that answers for every
// host.
const caught = "app.caught.test"

var behindProxy = sync.OnceValue(func() *House {
	return Build(&ever, Plan{
		Global:   "servers {\n\t\ttrusted_proxies static 127.0.0.0/8\n\t}",
		Doorward: "relying_party " + caught + " {\n\torigins https://" + caught + ":$PORT\n\t}",
		Sites:    sites + "https://:$PORT {\n\tdoorward {\n\t\tallow *@example.test\n\t\tbypass /healthz\n\t}\n\treverse_proxy $RAW\n}\n",
	})
})

// untilRefused asks for passcodes for ever new addresses until a budget is spent,
// and returns how many were begun.
func (s *Scene) untilRefused(most int, fields func(i int) []string) int {
	s.T.Helper()
	for i := range most {
		a := s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": fmt.Sprintf("x%d.%s@example.test", i, s.name)}, fields(i)...)
		switch a.Status {
		case http.StatusOK:
		case http.StatusTooManyRequests:
			return i
		default:
			s.T.Fatalf("attempt %d: %v", i, a)
		}
	}
	return most
}

// twoBudgets is more than the budgets of a network for letters in two windows: one may end
// while a test is at it.
const twoBudgets = 230

// addressFields are fields by which proxies tell a client's address, and a client
// each time another one.
func addressFields(i int) []string {
	ip := fmt.Sprintf("203.0.%d.%d", i/250+113, i%250+1)
	return []string{
		"X-Forwarded-For: " + ip, "X-Real-IP: " + ip, "True-Client-IP: " + ip, "CF-Connecting-IP: " + ip, "Forwarded: for=" + ip,
		"X-Client-IP: " + ip, "X-Cluster-Client-IP: " + ip, "Fastly-Client-IP: " + ip, "X-Originating-IP: " + ip, "X-Remote-Addr: " + ip,
		"X_Forwarded_For: " + ip, "Via: 1.1 " + ip,
	}
}

// Each attempt says that it comes from elsewhere.
// Passcode ceremonies without end, each with an X-Forwarded-For of its own.
func TestT39AddressIsForgedForFreshBudgets(t *testing.T) {
	s := Begin(t)
	const most = twoBudgets
	if n := s.untilRefused(most, addressFields); n == most {
		t.Fatalf("%d ceremonies were begun from one network, want them refused before", n)
	}
	// It is the network that is refused, and no other one.
	s.Elsewhere()
	if a := s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": "y." + s.name + "@example.test"}); a.Status != http.StatusOK {
		t.Errorf("from elsewhere: %v", a)
	}
	// Nor can one say to be somebody whose budget is not counted.
	s = Begin(t)
	if n := s.untilRefused(most, func(int) []string {
		return []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: ::1, localhost", "X-Forwarded-For: unknown"}
	}); n == most {
		t.Errorf("%d ceremonies were begun from one network", n)
	}
}

// A request that comes by a trusted proxy is trusted itself.
// GET / without a session, from an address of trusted_proxies, for an address of them.
func TestT41TrustedProxyIsNoVisitor(t *testing.T) {
	s := behindProxy().Begin(t)
	for _, fields := range [][]string{
		nil,
		{"X-Forwarded-For: 127.0.0.1"}, {"X-Forwarded-For: 203.0.113.5"}, {"X-Forwarded-For: evil"}, {"X-Forwarded-For: " + strings.Repeat("1.2.3.4, ", 500) + "1.2.3.4"},
		{"X-Forwarded-Proto: https", "X-Forwarded-Host: " + s.Origin(A)[8:], "X-Forwarded-User: root"},
		{"X-Forwarded-Uri: /healthz", "X-Original-URL: /healthz"},
		{"X-Auth-Token: evil", "Remote-User: root", "Remote-Groups: admins"},
		{"X-Forwarded-Client-Cert: Subject=\"CN=root\"", "X-SSL-Client-Verify: SUCCESS"},
	} {
		s.Denied(s.Get(A, "/", fields...))
		s.Denied(s.Get(A, "/admin/x", append(fields, Page...)...))
	}
	// What the proxy says of the hop before it goes on to the app; who the visitor is,
	// is not the proxy's to say, and nor is another path than the one that was judged.
	a := s.Get(A, "/healthz", "X-Forwarded-Prefix: /app", "X-Real-IP: 203.0.113.5", "X-Forwarded-For: 203.0.113.5", "X-Original-URL: /evil", "Remote-User: evil", "X_Forwarded_Prefix: evil")
	if a.Status != http.StatusOK {
		t.Fatal(a)
	}
	b := s.One()
	if !slices.Equal(b.Values("X-Forwarded-Prefix"), []string{"/app"}) || !slices.Equal(b.Values("X-Real-IP"), []string{"203.0.113.5"}) || strings.Contains(b.Head, "evil") {
		t.Errorf("the app was told:\n%s", b.Head)
	}
	if got := b.Values("X-Forwarded-For"); len(got) != 1 || !strings.HasPrefix(got[0], "203.0.113.5, 127.") {
		t.Errorf("X-Forwarded-For %q, want the client and the proxy", got)
	}
	// Budgets are those of the client behind the proxy, an IPv6 client's by its /64.
	const most = twoBudgets
	v6 := func(subnet string) func(i int) []string {
		return func(i int) []string { return []string{fmt.Sprintf("X-Forwarded-For: 2001:db8:0:%s::%x", subnet, i+1)} }
	}
	if n := s.untilRefused(most, v6("1")); n == most {
		t.Errorf("%d ceremonies were begun from one /64", n)
	}
	if n := s.untilRefused(3, v6("2")); n != 3 {
		t.Errorf("another /64 was refused after %d ceremonies", n)
	}
}

// letter has a letter sent, and returns all of it, and the answer.
func (s *Scene) letter(site string, p *Person, fields ...string) (mailtest.Letter, Answer) {
	s.T.Helper()
	a := s.Post(site, "/doorward/passcode/login/initialize", map[string]string{"email": p.Address}, fields...)
	if a.Status != http.StatusOK {
		s.T.Fatalf("asking for a letter: %v", a)
	}
	letter, err := s.Mailbox.For(s.mailbox, p.Address)
	if err != nil {
		s.T.Fatal(err)
	}
	return letter, a
}

// A header names a host, and the letter, a link or a cookie follows it.
// A passcode is asked for with X-Forwarded-Host: evil.test, and the like.
func TestT42ForwardedHostPoisonsTheLetter(t *testing.T) {
	s := Begin(t)
	for _, line := range []string{
		"X-Forwarded-Host: evil.test", "X-Forwarded-Host: " + A + ", evil.test", "Forwarded: host=evil.test;proto=http", "X-Host: evil.test", "X-Forwarded-Server: evil.test",
		"X-HTTP-Host-Override: evil.test", "X-Original-Host: evil.test", "X-Forwarded-Proto: evil.test", "X-Forwarded-Port: 6666", "Origin-Host: evil.test",
		"X-Forwarded-Prefix: //evil.test", "X-Original-URL: https://evil.test/", "X-Rewrite-URL: //evil.test/", "Base-Url: https://evil.test",
	} {
		p := s.Person("victim" + fmt.Sprint(len(s.answers)))
		letter, a := s.letter(A, p, line)
		login := s.Get(A, "/", append([]string{line}, Page...)...)
		page := s.Get(A, "/doorward/login", append([]string{line}, Page...)...)
		options := s.Post(A, "/doorward/webauthn/login/initialize", struct{}{}, line)
		for what, text := range map[string]string{
			"the letter": string(letter.Raw), "the answer": fmt.Sprint(a), "the redirect": fmt.Sprint(login), "the page": fmt.Sprint(page.Header) + page.Body, "the passkey options": fmt.Sprint(options),
		} {
			if strings.Contains(text, "evil") || strings.Contains(text, ":6666") {
				t.Errorf("%s: %s has it: %.400s", line, what, text)
			}
		}
		if !strings.Contains(options.Body, `"rpId":"`+A+`"`) {
			t.Errorf("%s: %v, want %s for the relying party", line, options, A)
		}
		if strings.Contains(fmt.Sprint(login.Cookies, page.Cookies), "Domain") {
			t.Errorf("%s: a cookie with a domain: %v %v", line, login.Cookies, page.Cookies)
		}
	}
}

// A letter follows the Host of whoever asks for it, where a site answers for all.
// A passcode is asked for with Host: evil.test.
func TestT44HostPoisonsTheLetter(t *testing.T) {
	s := behindProxy().Begin(t)
	p := s.Person("victim")
	own := fmt.Sprintf("%s:%d", caught, s.Gateway.Port)
	ask := func(host string) Answer {
		return s.Send(A, s.Request(A, "POST", "/doorward/passcode/login/initialize", "Host: "+host, "Content-Type: application/json",
			fmt.Sprintf("Content-Length: %d", len(`{"email":"`+p.Address+`"}`)))+`{"email":"`+p.Address+`"}`)
	}
	for _, host := range []string{
		"evil.test", "evil.test:443", own + ".evil.test", "evil.test#" + own, own + "@evil.test", "x." + own, caught, caught + ":1", caught + ":0" + fmt.Sprint(s.Gateway.Port),
		caught + ".:" + fmt.Sprint(s.Gateway.Port), "127.0.0.1", "[::1]", "localhost", "", "a\"b", own + "/x", own + ",evil.test", "evil.test\tx", "*." + caught,
		strings.Repeat("a", 300) + ".test", "app.exam\u0440le.test",
	} {
		if a := ask(host); a.Status != http.StatusMisdirectedRequest && a.Status != http.StatusBadRequest {
			t.Errorf("Host: %q: %v, want 421 or 400", host, a)
		}
		s.Refused(s.Send(A, s.Request(A, "GET", "/", "Host: "+host)))
	}
	if a := ask(strings.ToUpper(own)); a.Status != http.StatusOK {
		t.Errorf("the configured host: %v", a)
	}
	// The first letter is the one for this: none of the others was answered with one.
	if letter, err := s.Mailbox.For(s.mailbox, p.Address); err != nil || !strings.Contains(letter.Subject+letter.Text, caught) || strings.Contains(string(letter.Raw), "evil") {
		t.Errorf("the letter: %s, %v, want one that names %s", letter.Raw, err, caught)
	}
	// Two hosts in one request are none.
	for _, lines := range [][]string{{"Host: " + own, "Host: evil.test"}, {"Host: evil.test", "Host: " + own}, {"Host: " + own, "Host: " + own}} {
		if a := s.Send(A, s.Request(A, "GET", "/doorward/login", lines...)); a.Status != http.StatusBadRequest {
			t.Errorf("%q: %v, want 400", lines, a)
		}
	}
}

// The name of the TLS handshake is A, and that of the request is B.
// GET / with SNI A, Host: B, and A's session.
func TestT31HandshakeAndHostDiffer(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice", "admins") // who may enter at A, and not at B
	for _, host := range []string{B, C} {
		field := fmt.Sprintf("Host: %s:%d", host, s.Gateway.Port)
		for _, credential := range []string{alice.Cookie, alice.Bearer} {
			s.Denied(s.Send(A, s.Request(A, "GET", "/", field, credential)))
			s.Denied(s.Send(A, s.Request(A, "GET", "/healthz", field, credential)))
			s.Denied(s.Send(A, s.Request(A, "GET", fmt.Sprintf("https://%s:%d/healthz", host, s.Gateway.Port), credential)))
		}
		fields := s.H2(A).Pseudo("GET", "/", "cookie: "+strings.TrimPrefix(alice.Cookie, "Cookie: "))
		fields[3][1] = strings.TrimPrefix(field, "Host: ")
		s.Denied(s.H2(A).Ask(fields...))
	}
	// And the other way round it is A, with what A leaves open and no more.
	field := fmt.Sprintf("Host: %s:%d", A, s.Gateway.Port)
	s.Denied(s.Send(B, s.Request(B, "GET", "/admin/x", field)))
	if a := s.Send(B, s.Request(B, "GET", "/healthz", field)); a.Status != http.StatusOK {
		t.Errorf("%v, want what A leaves open", a)
	}
	s.One()
	for _, host := range []string{"evil.test", "localhost", A + ".evil.test", A + ":1"} {
		s.Send(A, s.Request(A, "GET", "/healthz", "Host: "+host, alice.Cookie)) // a site of nobody's
		for _, b := range s.Seen() {
			if !strings.HasPrefix(b.Values("Host")[0], A) {
				t.Errorf("Host: %s reached the app as %q", host, b.Head)
			}
		}
	}
}

// Fields of other proxies say who the client is.
// GET / with X-Forwarded-Client-Cert, X-Real-IP, True-Client-IP, CF-Connecting-IP.
func TestT46FieldsOfOtherProxies(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, name := range []string{
		"X-Forwarded-Client-Cert", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "Client-Cert",
		"X-SSL-Client-Cert", "SSL-Client-Verify", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token",
		"Forwarded", "X-Forwarded-For", "x_real_ip",
	} {
		s.Denied(s.Get(A, "/", name+": evil"))
		for _, path := range []string{"/", "/healthz"} {
			if a := s.Get(A, path, alice.Cookie, name+": evil", name+": evil"); a.Status != http.StatusOK {
				t.Fatalf("%s: %v", name, a)
			}
			if b := s.One(); strings.Contains(b.Head, "evil") {
				t.Errorf("the app was told %s by a client:\n%s", name, b.Head)
			}
		}
	}
	// A log line names the client's own address.
	if log := s.Log(); strings.Contains(log, `"client":"evil"`) {
		t.Error("the log names the client as it called itself")
	}
}
