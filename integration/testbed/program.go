package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/contract"
	"github.com/doorward/doorward/mail/mailtest"
)

// A Program talks to a gateway that may go away at any moment: what goes wrong is
// an error for its caller to judge, not the end of the test. It keeps no cookies,
// and no connection unless it is told to. It serves one goroutine at a time. What it
// is answered is checked as for a [Client].
type Program struct {
	Base     string
	From     string // the address that it says it comes from, where the gateway trusts it
	Insists  bool   // tries again where a connection ends before an answer begins
	Insisted int    // how often it did
	HTTP     *http.Client
	Wire     *http.Transport // below the checks of HTTP
}

// NewProgram returns a program that talks to g, and to no other node of its site.
// Each client network has a budget of sign-ins: from says which one this is, for
// a gateway that is configured to believe it (see [TrustPrograms]).
func NewProgram(t testing.TB, g *Gateway, from string) *Program {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, g.Addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &Program{Base: g.URL, From: from, Wire: transport, HTTP: &http.Client{
		Transport: contract.Transport{Base: transport, T: t}, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// KeepConnections makes the program use a connection again, as most do.
func (p *Program) KeepConnections() {
	p.Wire.DisableKeepAlives = false
}

// Send sends a request, with token as a bearer token if there is one, and body as
// JSON unless it is nil. An answer that breaks off has its status and an error.
func (p *Program) Send(method, path, token string, body any) (Answer, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return Answer{}, err
		}
	}
	a, err := p.sendOnce(method, path, token, content)
	for tries := 0; err != nil && a.Status == 0 && p.Insists && tries < 3; tries++ {
		p.Insisted++
		a, err = p.sendOnce(method, path, token, content)
	}
	return a, err
}

func (p *Program) sendOnce(method, path, token string, content []byte) (Answer, error) {
	request, err := http.NewRequest(method, p.Base+path, bytes.NewReader(content))
	if err != nil {
		return Answer{}, err
	}
	if len(content) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if p.From != "" {
		request.Header.Set("X-Forwarded-For", p.From)
	}
	response, err := p.HTTP.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, string(text), response.Proto}, err
}

// Want is Send for a request whose answer has to be of one status.
func (p *Program) Want(status int, method, path, token string, body any) (Answer, error) {
	a, err := p.Send(method, path, token, body)
	if err == nil && a.Status != status {
		err = fmt.Errorf("%s %s: status %d, want %d: %s", method, path, a.Status, status, a.Body)
	}
	return a, err
}

// A Proof is a passcode that was sent, and the ceremony that it ends.
type Proof struct {
	ID   string `json:"id"`
	Code string `json:"code"`
}

// Begin has a passcode sent to address, and waits for the letter.
func (p *Program) Begin(ctx context.Context, box *mailtest.Mailbox, address string) (Proof, error) {
	a, err := p.Want(http.StatusOK, "POST", "/doorward/passcode/login/initialize", "", map[string]string{"email": address})
	if err != nil {
		return Proof{}, err
	}
	var begun Proof
	if err := a.JSON(&begun); err != nil {
		return Proof{}, err
	}
	for begun.Code == "" { // there are letters about passkeys, too
		letter, err := box.For(ctx, address)
		if err != nil {
			return Proof{}, err
		}
		begun.Code = letter.Passcode()
	}
	return begun, nil
}

// Finalize sends a passcode, whatever comes of it.
func (p *Program) Finalize(of Proof) (Answer, error) {
	return p.Send("POST", "/doorward/passcode/login/finalize", "", of)
}

// Finish ends a ceremony, and returns the session token.
func (p *Program) Finish(of Proof) (token string, err error) {
	return sessionOf(p.Want(http.StatusOK, "POST", "/doorward/passcode/login/finalize", "", of))
}

// SignIn signs in with a passcode, from beginning to end.
func (p *Program) SignIn(ctx context.Context, box *mailtest.Mailbox, address string) (token string, err error) {
	begun, err := p.Begin(ctx, box, address)
	if err != nil {
		return "", err
	}
	return p.Finish(begun)
}

// AddPasskey makes a passkey for the owner of a session.
func (p *Program) AddPasskey(token string) (*authenticator.Authenticator, error) {
	options, err := p.Want(http.StatusOK, "POST", "/doorward/webauthn/registration/initialize", token, nil)
	if err != nil {
		return nil, err
	}
	key := &authenticator.Authenticator{Origin: p.Base}
	credential, err := key.Create([]byte(options.Body))
	if err != nil {
		return nil, err
	}
	_, err = p.Want(http.StatusOK, "POST", "/doorward/webauthn/registration/finalize", token, json.RawMessage(credential))
	return key, err
}

// Challenge asks for a challenge, and returns the answer to it that key signs.
func (p *Program) Challenge(key *authenticator.Authenticator) (assertion json.RawMessage, err error) {
	options, err := p.Want(http.StatusOK, "POST", "/doorward/webauthn/login/initialize", "", nil)
	if err != nil {
		return nil, err
	}
	return key.Get([]byte(options.Body))
}

// FinalizePasskey sends the answer to a challenge, whatever comes of it.
func (p *Program) FinalizePasskey(assertion json.RawMessage) (Answer, error) {
	return p.Send("POST", "/doorward/webauthn/login/finalize", "", assertion)
}

// SignInWith signs in with a passkey, and returns the session token.
func (p *Program) SignInWith(key *authenticator.Authenticator) (token string, err error) {
	assertion, err := p.Challenge(key)
	if err != nil {
		return "", err
	}
	return sessionOf(p.Want(http.StatusOK, "POST", "/doorward/webauthn/login/finalize", "", assertion))
}

// Is checks that token is a session of the owner of address: that the app is told
// so.
func (p *Program) Is(address, token string) error {
	a, err := p.Want(http.StatusOK, "GET", "/", token, nil)
	if err == nil && !strings.Contains(a.Body, `"Remote-User":["`+address+`"]`) {
		err = fmt.Errorf("the session of %s is somebody else's: %s", address, a.Body)
	}
	return err
}

// Session returns the session token that came with an answer, or "".
func (a Answer) Session() string {
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if c.Name == "doorward" {
			return c.Value
		}
	}
	return ""
}

func sessionOf(a Answer, err error) (string, error) {
	token := a.Session()
	if err == nil && token == "" {
		err = fmt.Errorf("signed in without a session token")
	}
	return token, err
}
