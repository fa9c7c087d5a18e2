package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/logs"
	"github.com/doorward/doorward/integration/testbed"
)

// Somebody who reads the logs, at debug level and with access logs, finds there what
// signs them in as somebody else, or who the visitors are.
func TestT146LogsHaveNoSecrets(t *testing.T) {
	s := Build(t, Plan{Doorward: "api {\n\t\ttoken_header on\n\t}"}).Begin(t)
	var issued logs.Issued

	// All ways to sign in, with the token in the header and in a cookie.
	p := s.Person("ann")
	proof := s.Passcode(A, p.Address)
	issued.Add(logs.Passcode, proof.Code)
	byHeader := s.Finalize(A, proof)
	p.Token = byHeader.Header.Get("X-Auth-Token")
	if byHeader.Status != http.StatusOK || p.Token == "" {
		t.Fatalf("signing in with the token in the header: %v", byHeader)
	}
	p.Bearer = "Authorization: Bearer " + p.Token
	s.AddPasskey(A, p)
	passkey := s.SignInByPasskey(A, p)
	if passkey.Status != http.StatusOK {
		t.Fatalf("signing in by passkey: %v", passkey)
	}
	code, _, cookies := s.typed("bob")
	issued.Add(logs.Passcode, code)
	byCookie := s.Form(A, "/doorward/login/passcode", "passcode="+code, cookies)
	cookie := byCookie.Cookie("__Host-doorward")
	if cookie == "" {
		t.Fatalf("signing in by the pages: %v", byCookie)
	}

	// What is passed on, what is refused, and what is not understood.
	s.Seen()
	s.Get(A, "/wiki", p.Bearer)
	s.Get(A, "/wiki", "Cookie: __Host-doorward="+cookie)
	for _, b := range s.Seen() {
		if values := b.Values("X-Auth-Token"); len(values) == 1 {
			issued.Add(logs.Assertion, values[0])
		}
	}
	s.Get(A, "/wiki", p.Bearer+"x")
	s.Get(A, "/wiki", "Authorization: bearer  "+p.Token)
	s.Get(C, "/wiki", p.Bearer)
	s.Get(A, "/wiki", "Cookie: __Host-doorward="+cookie+"; __Host-doorward="+p.Token)
	s.Get(A, "/doorward/account", append([]string{"Cookie: __Host-doorward=" + cookie}, Page...)...)
	s.Finalize(A, proof)
	s.Post(A, "/doorward/passcode/login/finalize", `{"id":"`+proof.ID+`","code":"`+proof.Code+`"`, "Content-Type: application/json")
	s.Post(A, "/doorward/webauthn/login/finalize", `{"id":"`+proof.ID+`"}`, "Content-Type: application/json")
	s.Post(A, "/doorward/logout", struct{}{}, p.Bearer)
	s.Get(A, "/wiki", p.Bearer)

	for _, a := range s.answers {
		issued.Answer(a.Header, []byte(a.Body))
	}
	issued.Person(p.Address)
	log := s.Log()
	for _, finding := range logs.NewSearch(issued.Secrets()).Log([]byte(log)) {
		t.Errorf("the log: %v", finding)
	}
	kinds := make(map[logs.Kind]int)
	for _, secret := range issued.Secrets() {
		kinds[secret.Kind]++
	}
	for _, kind := range []logs.Kind{logs.Passcode, logs.Token, logs.Assertion, logs.Cookie, logs.Challenge, logs.Ceremony, logs.Address} {
		if kinds[kind] == 0 {
			t.Errorf("no %s was issued", kind)
		}
	}
	for _, want := range []string{`"logger":"http.log.access`, "upstream roundtrip", "signed in", "session token handed out"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
	t.Run("refused configurations", refusedConfigurations)
}

// refusedConfigurations looks for an operator's passwords, where a backend cannot be
// reached or the configuration is refused with what is wrong with it.
func refusedConfigurations(t *testing.T) {
	const password = "hunter2-is-no-password"
	for _, options := range []string{
		"store redis://door:" + password + "@127.0.0.1:1/0",
		"store redis+sentinel://door:" + password + "@127.0.0.1:1/0?master=door",
		"store rediss://door:" + password + "@127.0.0.1:1/0",
		"store redis://door:" + password + "@127.0.0.1:port/0",
		"directory postgres://door:" + password + "@127.0.0.1:1/door",
		"directory postgres://door:" + password + "@127.0.0.1:port/door",
		"mail smtp://door:" + password + "@127.0.0.1:port",
		"mail smtp://door:" + password + "@",
		"secret " + password + " " + password + " more",
	} {
		name, _, _ := strings.Cut(options, "door:")
		t.Run(name, func(t *testing.T) {
			g := testbed.Prepare(t, testbed.Options{Caddyfile: fmt.Sprintf("{\n\tdoorward {\n\t\t%s\n\t}\n}\nhttp://localhost:$PORT {\n\tbind $HOST\n\tdoorward\n\trespond ok\n}\n", options)})
			if err := g.Start(); err == nil {
				t.Fatalf("the gateway starts with %s", options)
			}
			if log := g.Log(); strings.Contains(log, password) || len(log) < 100 {
				t.Errorf("the log has the password, or nothing: %s", log)
			}
		})
	}
}
