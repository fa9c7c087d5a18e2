package contract

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// ours reports whether Doorward gave an answer, rather than the app.
func ours(request *http.Request, response *http.Response) bool {
	path := request.URL.Path
	return path == "/doorward" || strings.HasPrefix(path, "/doorward/") || response.Header.Get("X-Request-Id") != ""
}

// A Transport sends requests by Base and checks every answer of Doorward's
// against its document. What the document does not allow fails T; the answer
// reaches the client all the same.
type Transport struct {
	Base http.RoundTripper
	T    testing.TB
}

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	var sent []byte
	if request.Body != nil {
		var err error
		if sent, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request.Body.Close()
		copied := *request // a RoundTripper leaves the request as it is
		copied.Body = io.NopCloser(bytes.NewReader(sent))
		request = &copied
	}
	response, err := t.Base.RoundTrip(request)
	if err != nil || !ours(request, response) {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil { // it breaks off, which is for the client to judge
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
		return response, nil
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	document, err := Doorward()
	if err == nil {
		err = document.Check(request, sent, response, body)
	}
	if err != nil {
		t.T.Errorf("%v", err)
	}
	return response, nil
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] reach Base.
func (t Transport) CloseIdleConnections() {
	if base, ok := t.Base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// broken is the end of a body that broke off.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// Witness stands between clients and a gateway until the test ends: whoever
// connects to at ("127.0.0.1:8080") talks to the gateway that listens at gateway
// ("127.0.0.2:8080"), and what that answers is checked as by a [Transport].
//
// Nothing is changed on the way, least of all Host and Origin, so that the
// gateway needs no configuration for it if both use one port, at two addresses
// of the loopback interface. If the ports differ, the gateway has to know the
// site under the witness's: relying_party localhost { origins http://localhost:8080 }.
func Witness(t testing.TB, at, gateway string) {
	t.Helper()
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatalf("standing between clients and the gateway: %v", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: gateway})
			p.Out.Host = p.In.Host
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := p.In.Header[name]; ok {
					p.Out.Header[name] = values
				}
			}
			p.Out.URL.RawQuery = p.In.URL.RawQuery
		},
		Transport:     Transport{Base: &http.Transport{DisableCompression: true}, T: t},
		FlushInterval: -1, // event streams
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // as if the gateway itself had hung up
		},
	}
	server := httptest.NewUnstartedServer(proxy)
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		proxy.Transport.(Transport).CloseIdleConnections()
	})
}
