package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/mail/mailtest"
)

// A program talks to a gateway that may go away at any moment: what goes wrong is
// an error for its caller to judge, not the end of the test. It keeps neither
// cookies nor connections.
type program struct {
	base     string
	address  string // that it says it comes from, where the gateway trusts it
	insists  bool   // tries again where a connection ends before an answer begins
	insisted int    // how often it did
	http     *http.Client
}

func newProgram(t testing.TB, base, address string) *program {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &program{base: base, address: address, http: &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answered is an answer that arrived as a whole.
type answered struct {
	status  int
	header  http.Header
	body    []byte
	session string // the session token that came with it
}

// send sends a request, with token as a bearer token if there is one.
func (p *program) send(method, path, token string, body any) (answered, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return answered{}, err
		}
	}
	a, err := p.sendOnce(method, path, token, content)
	for tries := 0; err != nil && a.status == 0 && p.insists && tries < 3; tries++ {
		p.insisted++
		a, err = p.sendOnce(method, path, token, content)
	}
	return a, err
}

func (p *program) sendOnce(method, path, token string, content []byte) (answered, error) {
	request, err := http.NewRequest(method, p.base+path, bytes.NewReader(content))
	if err != nil {
		return answered{}, err
	}
	if len(content) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if p.address != "" {
		request.Header.Set("X-Forwarded-For", p.address)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return answered{}, err
	}
	defer response.Body.Close()
	a := answered{status: response.StatusCode, header: response.Header}
	for _, c := range response.Cookies() {
		if c.Name == "doorward" {
			a.session = c.Value
		}
	}
	a.body, err = io.ReadAll(response.Body)
	return a, err
}

// want is send for a request whose answer has to be of one status.
func (p *program) want(status int, method, path, token string, body any) (answered, error) {
	a, err := p.send(method, path, token, body)
	if err == nil && a.status != status {
		err = fmt.Errorf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a, err
}

// A proof is a passcode that was sent and the ceremony that it ends.
type proof struct {
	ID   string `json:"id"`
	Code string `json:"code"`
}

// begin has a passcode sent to address.
func (p *program) begin(ctx context.Context, box *mailtest.Mailbox, address string) (proof, error) {
	a, err := p.want(http.StatusOK, "POST", "/doorward/passcode/login/initialize", "", map[string]string{"email": address})
	if err != nil {
		return proof{}, err
	}
	var begun proof
	if err := json.Unmarshal(a.body, &begun); err != nil {
		return proof{}, err
	}
	letter, err := box.For(ctx, address)
	begun.Code = letter.Passcode()
	return begun, err
}

// finish ends a ceremony, and returns the session token.
func (p *program) finish(of proof) (token string, err error) {
	a, err := p.want(http.StatusOK, "POST", "/doorward/passcode/login/finalize", "", of)
	if err == nil && a.session == "" {
		err = fmt.Errorf("signed in without a session token")
	}
	return a.session, err
}

// is checks that token is a session of the owner of address.
func (p *program) is(address, token string) error {
	a, err := p.want(http.StatusOK, "GET", "/", token, nil)
	if err == nil && !strings.Contains(string(a.body), `"Remote-User":["`+address+`"]`) {
		err = fmt.Errorf("the session of %s is somebody else's: %s", address, a.body)
	}
	return err
}
