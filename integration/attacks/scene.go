package attacks

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/logs"
	"github.com/doorward/doorward/integration/testbed"
)

// A Scene is one test's part of a house: it has people and a client network of its
// own, and knows what reached the apps since it began.
type Scene struct {
	*House
	T testing.TB

	// Fails says that a 5xx is what the test wants: it took a backend away.
	Fails bool

	// Opens reports whether a request that reached the raw app without an identity
	// was open to everybody. Default: what the sites of a house leave open.
	Opens func(Bytes) bool

	name     string
	from     net.IP // where its clients are
	networks int    // how many they have been in
	began    struct{ raw, app, log int }
	seen     int // of the raw app's requests
	answers  []Answer
	mailbox  context.Context
}

// Begin begins a scene in the house that tests share.
func Begin(t *testing.T) *Scene {
	t.Helper()
	return common().Begin(t)
}

// Begin begins a scene. Scenes of one house do not run at the same time.
func (h *House) Begin(t *testing.T) *Scene {
	t.Helper()
	h.mu.Lock()
	h.scenes++
	n := h.scenes
	h.mu.Unlock()
	name, _, _ := strings.Cut(strings.TrimPrefix(t.Name(), "Test"), "/")
	mailbox, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &Scene{
		House: h, T: t, Opens: open, mailbox: mailbox,
		name: fmt.Sprintf("%s-%d", strings.ToLower(name[:min(3, len(name))]), n),
		from: net.IPv4(127, byte(n>>8+1), byte(n), 1),
		seen: len(h.Raw.Requests()),
	}
	s.began.raw, s.began.app, s.began.log = s.seen, len(h.App.Requests()), len(h.Gateway.Log())
	t.Cleanup(func() { s.hold(t) })
	return s
}

// Elsewhere makes the clients of the scene come from another network from now on.
func (s *Scene) Elsewhere() {
	s.networks++
	s.from = net.IPv4(127, s.from.To4()[1], s.from.To4()[2], byte(s.networks+1))
	if s.networks > 250 {
		s.T.Fatal("a scene has 250 networks")
	}
}

// Dial opens a connection to the gateway. Without protocols it speaks HTTP/1.1.
// A connection that waited in the queue of a socket which Caddy closed in a reload is
// reset before a byte of the handshake was read, and opened again.
func (s *Scene) Dial(sni string, protocols ...string) net.Conn {
	s.T.Helper()
	if len(protocols) == 0 {
		protocols = []string{"http/1.1"}
	}
	dialer := &net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: s.from}}
	dial := func() (*tls.Conn, error) {
		return tls.DialWithDialer(dialer, "tcp", fmt.Sprintf("127.0.0.1:%d", s.Gateway.Port),
			&tls.Config{ServerName: sni, InsecureSkipVerify: true, NextProtos: protocols}) // the test's own CA
	}
	conn, err := dial()
	for tries := 0; errors.Is(err, syscall.ECONNRESET) && tries < 3; tries++ {
		conn, err = dial()
	}
	if err != nil {
		s.T.Fatalf("connecting to %s: %v", sni, err)
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	s.T.Cleanup(func() { conn.Close() })
	return conn
}

// An Answer is what the gateway answered. Its Status is 0 if it closed the
// connection instead.
type Answer struct {
	Site, Target string // of the request
	Status       int
	Header       http.Header
	Body         string
	Cookies      []*http.Cookie
}

func (a Answer) String() string {
	return fmt.Sprintf("%s%s: %d %v %.300s", a.Site, a.Target, a.Status, a.Header, a.Body)
}

// JSON decodes the body.
func (a Answer) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		t.Fatalf("%v: %v", err, a)
	}
}

// Cookie returns the value of a cookie that the answer sets, or "".
func (a Answer) Cookie(name string) string {
	for _, c := range a.Cookies {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Request returns the bytes of a request: fields are whole lines, written as they
// are. Host, and Connection: close, are added unless there is one.
func (s *Scene) Request(site, method, target string, fields ...string) string {
	all := strings.ToLower("\r\n" + strings.Join(fields, "\r\n"))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	if !strings.Contains(all, "\r\nhost:") {
		fmt.Fprintf(&b, "Host: %s:%d\r\n", site, s.Gateway.Port)
	}
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if !strings.Contains(all, "\r\nconnection:") {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// Send sends bytes on a connection of their own and returns the first answer.
func (s *Scene) Send(site, request string) Answer {
	s.T.Helper()
	answers := s.Stream(site, request)
	if len(answers) == 0 {
		return Answer{Site: site}
	}
	return answers[0]
}

// Stream sends bytes on a connection of their own and returns all answers, until
// the gateway closes the connection or has nothing to say for two seconds.
func (s *Scene) Stream(site, request string) []Answer {
	s.T.Helper()
	conn := s.Dial(site)
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, request) }()
	method, rest, _ := strings.Cut(request, " ")
	target, _, _ := strings.Cut(rest, " ")
	in := bufio.NewReader(conn)
	var answers []Answer
	for {
		response, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(response.Body)
		answers = append(answers, s.Note(Answer{site, target, response.StatusCode, response.Header, string(body), response.Cookies()}))
		if response.Close {
			return answers
		}
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	}
}

// Note remembers an answer that the test got by other means, for the invariants.
func (s *Scene) Note(a Answer) Answer {
	logs.Seen.Answer(a.Header, []byte(a.Body))
	s.answers = append(s.answers, a)
	return a
}

// Get asks for a target with GET.
func (s *Scene) Get(site, target string, fields ...string) Answer {
	s.T.Helper()
	return s.Send(site, s.Request(site, "GET", target, fields...))
}

// Post sends a body, as JSON if it is not a string.
func (s *Scene) Post(site, target string, body any, fields ...string) Answer {
	s.T.Helper()
	text, ok := body.(string)
	if !ok {
		content, err := json.Marshal(body)
		if err != nil {
			s.T.Fatal(err)
		}
		text = string(content)
		fields = append(fields, "Content-Type: application/json")
	}
	fields = append(fields, fmt.Sprintf("Content-Length: %d", len(text)))
	return s.Send(site, s.Request(site, "POST", target, fields...)+text)
}

// Page are the fields by which a browser says that a person opens a page.
var Page = []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none"}

// Form sends a form of one of Doorward's pages, as a browser does.
func (s *Scene) Form(site, target, body string, fields ...string) Answer {
	s.T.Helper()
	return s.Post(site, target, body, append([]string{
		"Content-Type: application/x-www-form-urlencoded", "Accept: text/html", "Origin: " + s.Origin(site),
		"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: same-origin",
	}, fields...)...)
}

// A Person has an account, and a session once they have signed in.
type Person struct {
	ID, Address string
	Groups      []string
	Token       string // the session token
	Cookie      string // the whole field: "Cookie: __Host-doorward=..."
	Bearer      string // the whole field: "Authorization: Bearer ..."
	Key         *authenticator.Authenticator
}

// Person makes an account for somebody who was not there before: name@example.test,
// with the name made unlike those of other scenes.
func (s *Scene) Person(name string, groups ...string) *Person {
	s.T.Helper()
	p := &Person{Address: name + "." + s.name + "@example.test", Groups: groups}
	if strings.Contains(name, "@") {
		p.Address = name
	}
	var made struct{ ID string }
	body := s.Admin(s.T, "POST", "/doorward/users", map[string]any{"email": p.Address, "groups": groups})
	if err := json.Unmarshal(body, &made); err != nil || made.ID == "" {
		s.T.Fatalf("no user: %v: %s", err, body)
	}
	p.ID = made.ID
	return p
}

// SignedIn makes an account and signs in with it at A.
func (s *Scene) SignedIn(name string, groups ...string) *Person {
	s.T.Helper()
	p := s.Person(name, groups...)
	s.SignIn(A, p)
	return p
}

// A Proof is a passcode that was sent, and the ceremony that it ends.
type Proof struct {
	ID   string `json:"id"`
	Code string `json:"code"`
}

// Passcode has a passcode sent to an address, and returns it.
func (s *Scene) Passcode(site, address string, fields ...string) Proof {
	s.T.Helper()
	var proof Proof
	begun := s.Post(site, "/doorward/passcode/login/initialize", map[string]string{"email": address}, fields...)
	if begun.Status != http.StatusOK {
		s.T.Fatalf("beginning a passcode ceremony: %v", begun)
	}
	begun.JSON(s.T, &proof)
	for proof.Code == "" { // there are letters of other kinds, too
		letter, err := s.Mailbox.For(s.mailbox, address)
		if err != nil {
			s.T.Fatal(err)
		}
		proof.Code = letter.Passcode()
	}
	return proof
}

// Finalize ends a passcode ceremony, whatever comes of it.
func (s *Scene) Finalize(site string, proof Proof, fields ...string) Answer {
	s.T.Helper()
	return s.Post(site, "/doorward/passcode/login/finalize", proof, fields...)
}

// SignIn signs somebody in at a site with a passcode.
func (s *Scene) SignIn(site string, p *Person) {
	s.T.Helper()
	a := s.Finalize(site, s.Passcode(site, p.Address))
	if a.Status != http.StatusOK {
		s.T.Fatalf("signing in: %v", a)
	}
	s.adopt(p, a)
}

// adopt gives a person the session that an answer began.
func (s *Scene) adopt(p *Person, a Answer) {
	s.T.Helper()
	p.Token = a.Cookie("__Host-doorward")
	if p.Token == "" {
		s.T.Fatalf("no session: %v", a)
	}
	p.Cookie, p.Bearer = "Cookie: __Host-doorward="+p.Token, "Authorization: Bearer "+p.Token
}

// AddPasskey makes a passkey for somebody who is signed in at a site.
func (s *Scene) AddPasskey(site string, p *Person) {
	s.T.Helper()
	options := s.Post(site, "/doorward/webauthn/registration/initialize", struct{}{}, p.Bearer)
	p.Key = &authenticator.Authenticator{Origin: s.Origin(site)}
	credential, err := p.Key.Create([]byte(options.Body))
	if err != nil {
		s.T.Fatalf("%v: %v", err, options)
	}
	if a := s.Post(site, "/doorward/webauthn/registration/finalize", json.RawMessage(credential), p.Bearer); a.Status != http.StatusOK {
		s.T.Fatalf("registering a passkey: %v", a)
	}
}

// SignInByPasskey signs somebody in with their passkey, whose answer may be
// changed, and returns what came of it.
func (s *Scene) SignInByPasskey(site string, p *Person, changes ...func(*authenticator.Answer)) Answer {
	s.T.Helper()
	options := s.Post(site, "/doorward/webauthn/login/initialize", struct{}{})
	if options.Status != http.StatusOK {
		s.T.Fatalf("beginning a passkey ceremony: %v", options)
	}
	assertion, err := p.Key.Get([]byte(options.Body), changes...)
	if err != nil {
		s.T.Fatalf("%v: %v", err, options)
	}
	return s.Post(site, "/doorward/webauthn/login/finalize", json.RawMessage(assertion))
}

// Seen returns what reached the raw app since the last call.
func (s *Scene) Seen() []Bytes {
	requests := s.Raw.Requests()
	since := requests[s.seen:]
	s.seen = len(requests)
	return since
}

// One is Seen for when exactly one request has to have reached the app.
func (s *Scene) One() Bytes {
	s.T.Helper()
	seen := s.Seen()
	if len(seen) != 1 {
		s.T.Fatalf("%d requests reached the app, want 1: %q", len(seen), seen)
	}
	return seen[0]
}

// Quiet checks that nothing reached an app since the last call of Seen.
func (s *Scene) Quiet() {
	s.T.Helper()
	if seen := s.Seen(); len(seen) > 0 {
		s.T.Errorf("reached the app: %q", seen)
	}
}

// Denied checks that a request was refused: 401 or 403 or, for somebody who opens
// a page, the way to the sign-in page; and that nothing reached the app.
func (s *Scene) Denied(a Answer) {
	s.T.Helper()
	switch login := strings.HasPrefix(a.Header.Get("Location"), "/doorward/login"); {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusSeeOther && login:
	default:
		s.T.Errorf("not denied: %v", a)
	}
	s.Quiet()
}

// Refused checks that a request was denied, or not understood (400 and the like,
// or the connection closed), and that nothing reached the app.
func (s *Scene) Refused(a Answer) {
	s.T.Helper()
	if a.Status == 0 || a.Status/100 == 4 && a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden {
		s.Quiet()
		return
	}
	s.Denied(a)
}

// Eventually waits until done reports true.
func (s *Scene) Eventually(what string, done func() bool) {
	s.T.Helper()
	testbed.Eventually(s.T, 20*time.Second, what, done)
}

// Log returns what the gateway has logged since the scene began.
func (s *Scene) Log() string {
	log := s.Gateway.Log()
	return log[s.began.log:]
}
