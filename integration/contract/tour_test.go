package contract_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/contract"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/store/storetest"
)

// notProvoked is all that the document may keep out of the tour.
var notProvoked = map[string]string{
	"500 internal":           "it takes a bug",
	"409 address_unverified": "all addresses that can be named here were proved when they were added",
}

// The tour goes past every operation below both servers, and past every status
// and problem that the document lists for it; the clients of the tour check each
// answer on the way. So what is documented and cannot happen is found as well as
// what happens and is not documented.
func TestEverythingThatIsDocumentedHappens(t *testing.T) {
	document, err := contract.Doorward()
	if err != nil {
		t.Fatal(err)
	}
	to := depart(t)

	// What comes last is a matter of waiting.
	old := make(map[place]*traveller)
	for _, at := range to.places {
		old[at] = to.arrives(at)
		old[at].signsIn(to.somebody())
	}
	signedIn := time.Now()

	for _, at := range to.places {
		to.passcodes(at)
		to.passkeys(at)
		to.accounts(at)
		to.addresses(at)
		to.sessions(at)
		to.discovery(at)
		to.refusals(at)
		to.limits(at)
	}
	to.pages()
	to.wellKnown()
	to.doors()

	to.late()
	time.Sleep(time.Until(signedIn.Add(fresh + time.Second))) // the gateway's clock is ours
	for _, at := range to.places {
		to.stale(old[at])
	}
	to.otherwise()
	to.away()

	if unseen := document.Unseen(); len(unseen) > 0 {
		t.Errorf("docs/openapi.yaml promises what the tour has not seen:\n%s", strings.Join(unseen, "\n"))
	}
	if got := document.NotProvoked(); !maps.Equal(got, notProvoked) {
		t.Errorf("docs/openapi.yaml keeps from the tour\n%v\nwant\n%v", got, notProvoked)
	}
}

// For how long a sign-in is recent at the sites of the tour, and a passcode good:
// the shortest times that there are.
const (
	fresh    = time.Minute
	lifetime = 30 * time.Second
)

// A tour has two sites: an app behind a door, and a host that is nothing but API.
type tour struct {
	*testing.T
	spec      *spec
	redis     *storetest.Redis
	box       *mailtest.Mailbox
	app       *testbed.App
	gateway   *testbed.Gateway
	places    []place
	door, api place

	networks, people int // so far
}

// A place is where the API is.
type place struct {
	base   string // "http://localhost:8080"
	prefix string // "/doorward", or "" at the root
}

// elsewhere is the origin of a web client that may use the API, evil of a page
// that may not.
const (
	elsewhere = "https://shop.localhost"
	evil      = "https://evil.test"
)

const fingerprint = "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"

// depart starts the sites.
func depart(t *testing.T) *tour {
	t.Helper()
	to := &tour{
		T: t, spec: readSpec(t), redis: storetest.StartRedis(t), box: mailtest.Start(t, mailtest.Options{}), app: testbed.StartApp(t),
	}
	to.gateway = testbed.Prepare(t, testbed.Options{})
	to.configures(to.mail(), `
		relying_party localhost {
			origins https://www.localhost
		}
		api {
			cors           `+elsewhere+`
			sites          http://localhost:$PORT
			account_lookup on
		}
		account {
			deletion      on
			max_addresses 2
		}
		apps {
			android com.example.app `+fingerprint+`
			ios     A1B2C3D4E5.com.example.app
		}`)
	if err := to.gateway.Start(); err != nil {
		t.Fatalf("starting the gateway: %v\n%s", err, to.gateway.Log())
	}
	to.door = place{to.gateway.URL, "/doorward"}
	to.api = place{strings.Replace(to.gateway.URL, "localhost", "api.localhost", 1), ""}
	to.places = []place{to.door, to.api}
	return to
}

func (to *tour) mail() string {
	return "mail " + to.box.URL() + ` {
			from "Doorward <door@example.com>"
		}`
}

// configures writes the Caddyfile, with what differs in the course of the tour.
// The API host lets more people in than the door does.
func (to *tour) configures(options ...string) {
	to.gateway.Configure(`{
	` + testbed.TrustPrograms + `
	doorward {
		store ` + to.redis.URL() + `
		secret 0123456789abcdef0123456789abcdef
		session {
			fresh          ` + fresh.String() + `
			check_interval 100ms
		}
		passcode {
			lifetime ` + lifetime.String() + `
		}
		` + strings.Join(options, "\n") + `
	}
}
http://localhost:$PORT {
	bind $HOST
	doorward {
		allow *@example.com
	}
	reverse_proxy ` + to.app.Addr + `
}
http://api.localhost:$PORT {
	bind $HOST
	doorward_api {
		allow *@example.com *@example.net
	}
}
`)
}

// A traveller is a client at one of the places, of a network of their own, so
// that no budget is spent but on purpose.
type traveller struct {
	*testbed.Client
	*tour
	at   place
	from string
}

// arrives returns a new traveller.
func (to *tour) arrives(at place) *traveller {
	to.networks++
	c := testbed.NewClient(to.T, at.base)
	c.Wire.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, to.gateway.Addr)
	}
	return &traveller{c, to, at, fmt.Sprintf("198.51.%d.%d", to.networks/250, to.networks%250+1)}
}

// calls sends JSON to an endpoint.
func (v *traveller) calls(method, path string, body any, header ...string) testbed.Answer {
	v.Helper()
	return v.Call(method, v.at.prefix+path, body, nil, append(header, "X-Forwarded-For", v.from)...)
}

// has calls an endpoint that has to grant it, and decodes the answer into result.
func (v *traveller) has(status int, method, path string, body, result any, header ...string) testbed.Answer {
	v.Helper()
	a := v.calls(method, path, body, header...)
	if a.Status != status {
		v.Fatalf("%s %s: status %d, want %d\n%s", method, path, a.Status, status, a.Body)
	}
	if result != nil {
		if err := a.JSON(result); err != nil {
			v.Fatalf("%s %s: %v in %s", method, path, err, a.Body)
		}
	}
	return a
}

// wants holds an answer against a status and a problem.
func (to *tour) wants(a testbed.Answer, status int, problem string) {
	to.Helper()
	if got := problemIn(a); a.Status != status || got != problem {
		to.Errorf("%d %s, want %d %s\n%s", a.Status, got, status, problem, a.Body)
	}
}

// problemIn returns the end of the type of a problem document, or "".
func problemIn(a testbed.Answer) string {
	var p struct{ Type string }
	_ = json.Unmarshal([]byte(a.Body), &p) // not every answer has one
	_, slug, _ := strings.Cut(p.Type, "#")
	return slug
}

// A proof is a passcode, and the ceremony that it ends.
type proof struct {
	ID   string `json:"id"`
	Code string `json:"code"`
}

// wrong is another passcode.
func (p proof) wrong() proof {
	p.Code = string('0'+(p.Code[0]-'0'+1)%10) + p.Code[1:]
	return p
}

// isSent asks for a passcode and reads the letter.
func (v *traveller) isSent(address string) proof {
	v.Helper()
	return v.isSentTo(address, map[string]string{"email": address})
}

// isSentTo is isSent for whoever is named otherwise than by address.
func (v *traveller) isSentTo(address string, recipient map[string]string) proof {
	v.Helper()
	var p proof
	v.has(http.StatusOK, "POST", "/passcode/login/initialize", recipient, &p)
	p.Code = v.code(address)
	return p
}

// code waits for the next passcode that is sent to an address. There are letters
// without one, too.
func (to *tour) code(address string) string {
	to.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		letter, err := to.box.For(ctx, address)
		if err != nil {
			to.Fatalf("to %s: %v", address, err)
		}
		if code := letter.Passcode(); code != "" {
			return code
		}
	}
}

// signsIn signs in with a passcode, and returns the user's ID.
func (v *traveller) signsIn(address string) (userID string) {
	v.Helper()
	v.has(http.StatusOK, "POST", "/passcode/login/finalize", v.isSent(address), nil)
	var me struct{ ID string }
	v.has(http.StatusOK, "GET", "/me", nil, &me)
	return me.ID
}

// token returns the traveller's session token.
func (v *traveller) token() string { return v.Cookie("doorward") }

// makesPasskey adds a passkey to the account of a traveller who is signed in.
func (v *traveller) makesPasskey() *authenticator.Authenticator {
	v.Helper()
	key := &authenticator.Authenticator{Origin: v.at.base}
	v.has(http.StatusOK, "POST", "/webauthn/registration/finalize", v.creates(key, nil), nil)
	return key
}

// creates has key make a credential, and returns what registers it.
func (v *traveller) creates(key *authenticator.Authenticator, wishes any, changes ...func(*authenticator.Answer)) json.RawMessage {
	v.Helper()
	options := v.has(http.StatusOK, "POST", "/webauthn/registration/initialize", wishes, nil)
	credential, err := key.Create([]byte(options.Body), changes...)
	if err != nil {
		v.Fatal(err)
	}
	return credential
}

// answers asks for a challenge, and returns the answer to it.
func (v *traveller) answers(spelling string, key *authenticator.Authenticator, changes ...func(*authenticator.Answer)) json.RawMessage {
	v.Helper()
	options := v.has(http.StatusOK, "POST", "/webauthn/"+spelling+"/initialize", nil, nil)
	assertion, err := key.Get([]byte(options.Body), changes...)
	if err != nil {
		v.Fatal(err)
	}
	return assertion
}

// somebody returns an address that nobody has, of those that may come in.
func (to *tour) somebody() string {
	to.people++
	return fmt.Sprintf("somebody%d@example.com", to.people)
}

// operates runs a command of the operator's.
func (to *tour) operates(args ...string) {
	to.Helper()
	if output, err := to.gateway.Run(args...); err != nil {
		to.Fatalf("doorward %q: %v\n%s", args, err, output)
	}
}
