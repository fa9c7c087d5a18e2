package contract

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/logs"
)

// ours reports whether Doorward gave an answer, rather than the app.
func ours(request *http.Request, response *http.Response) bool {
	path := request.URL.Path
	return path == "/doorward" || strings.HasPrefix(path, "/doorward/") || response.Header.Get("X-Request-Id") != ""
}

// A Transport sends requests by Base and checks every answer of Doorward's
// against its document. What the document does not allow fails T; the answer
// reaches the client all the same. What it hands out, and the addresses that the
// client named, are noted in [logs.Seen]: no log may have them.
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
	logs.Seen.Asked(request.Header, sent)
	response, err := t.Base.RoundTrip(request)
	if err != nil {
		return response, err
	}
	logs.Seen.Answer(response.Header, nil)
	if !ours(request, response) {
		return response, nil
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil { // it breaks off, which is for the client to judge
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
		return response, nil
	}
	logs.Seen.Answer(response.Header, body)
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
