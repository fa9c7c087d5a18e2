package contract

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

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
