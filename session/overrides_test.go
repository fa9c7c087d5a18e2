package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/doorward/doorward/session"
)

// An app that lets a client name another path than the one that was judged, or
// that another door leads to by other header names, is told neither by clients.
func TestOverridesAndTheNamesOfOtherDoorsAreStripped(t *testing.T) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	ih.Take(session.Headers{User: "X-Api-User"})
	r := httptest.NewRequest("GET", "/healthz", nil)
	for _, name := range []string{"X-Original-URL", "X_Original_URL", "X-Rewrite-Url", "X-Api-User", "x_api.user"} {
		r.Header.Set(name, "evil")
	}
	r.Header.Set("X-Api-Version", "2")
	ih.Strip(r)
	if len(r.Header) != 1 || r.Header.Get("X-Api-Version") != "2" {
		t.Errorf("after Strip: %v, want X-Api-Version alone", r.Header)
	}
}

// Where the method is judged, no header names another one. Elsewhere apps read them:
// there are editors that send every change as a POST and such a header.
func TestOverridesOfTheMethodAreStrippedWhereItIsJudged(t *testing.T) {
	for _, judged := range []bool{false, true} {
		ih := session.NewIdentityHeaders(session.DefaultHeaders)
		if judged {
			ih.TakeMethodOverrides()
		}
		for _, name := range []string{"X-HTTP-Method-Override", "x_http_method", "X.Method.Override"} {
			r := httptest.NewRequest("POST", "/posts/1", nil)
			r.Header.Set(name, "DELETE")
			ih.Strip(r)
			if stripped := len(r.Header) == 0; stripped != judged {
				t.Errorf("%s: stripped %t, want %t", name, stripped, judged)
			}
		}
	}
}

// What only a proxy may say of a request is no client's to say, in no spelling.
// What reverse_proxy judges by rules of its own is left to it.
func TestWhatAProxySaysIsStrippedFromClients(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{
		"Forwarded", "X-Forwarded-Uri", "x_forwarded.uri", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Method", "X-Forwarded-Port",
		"X-Forwarded-Server", "X-Forwarded-Client-Cert", "X_Forwarded_For", "X.Forwarded-Host", "x-forwarded-proto", "X-Original-Uri",
		"X-Original-Host", "X-Original-Forwarded-For", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly_Client_Ip",
		"X-Host", "X-Ssl-Client-S-Dn", "Ssl-Client-Cert", "Client-Cert", "X-Client-Cert-Dn", "Client-Ip", "Wl-Proxy-Client-Ip",
		"X-Arr-Clientcert", "X-Envoy-Original-Path", "X-Amzn-Mtls-Clientcert", "Do-Connecting-Ip", "X-Script-Name",
	} {
		h[name] = []string{"evil"}
	}
	kept := []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forward", "Forwarder", "Client", "X-Hostname", "Cookie", "Accept", ""}
	for _, name := range kept {
		h[name] = []string{"kept"}
	}
	session.NewIdentityHeaders(session.DefaultHeaders).Strip(&http.Request{Header: h})
	if len(h) != len(kept) {
		t.Errorf("after Strip: %v, want %q", h, kept)
	}
	for _, name := range kept {
		if _, ok := h[name]; !ok {
			t.Errorf("%q is gone", name)
		}
	}
}

// A proxy that is trusted says these things itself, and passes on what it does not
// know: another spelling, which the app may read for the same.
func TestWhatATrustedProxySaysIsInTheSpellingOfProxies(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"X-Real-Ip", "X-Forwarded-Prefix", "Forwarded", "X-Forwarded-For"} {
		h[name] = []string{"the proxy"}
	}
	for _, name := range []string{"X_Real_IP", "X.Forwarded.Prefix", "X_Forwarded_For", "X_forwarded_client_cert", "X-Forwarded_Proto"} {
		h[name] = []string{"evil"}
	}
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	ih.FromProxy = func(*http.Request) bool { return true }
	ih.Strip(&http.Request{Header: h})
	for name, values := range h {
		if values[0] != "the proxy" {
			t.Errorf("%s is left", name)
		}
	}
	if len(h) != 4 {
		t.Errorf("after Strip: %v, want what the proxy said", h)
	}
}
