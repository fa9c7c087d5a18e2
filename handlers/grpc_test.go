package handlers_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/session"
)

// refuseCall has the door refuse a gRPC call for the reason that err is.
func (c *client) refuseCall(err error, major int, method, contentType string, header ...string) *http.Response {
	r := httptest.NewRequest(method, origin+"/pkg.Service/Call", strings.NewReader("\x00\x00\x00\x00\x00"))
	r.ProtoMajor = major
	r.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.Refuse(w, r, r.URL.RequestURI(), err)
	return w.Result()
}

func TestCallsAreRefusedWithTheirOwnStatus(t *testing.T) {
	c := newRig(t, setup{}).client()
	for _, tt := range []struct {
		err          error
		status, text string
	}{
		{session.ErrNone, "16", "Unauthorized"},
		{session.ErrExpired, "16", "Unauthorized"},
		{handlers.NotAdmitted, "7", "This account may not enter here"},
		{handlers.NotForwarded, "12", "Not Found"},
		{handlers.Misdirected, "2", "This host is not configured"},
		{errors.New("dial tcp 10.0.0.5:6379: connection refused"), "14", "Service Unavailable"},
	} {
		for contentType, want := range map[string]string{
			"application/grpc":                     "application/grpc",
			"Application/gRPC+proto; charset=utf8": "application/grpc",
			"application/grpc-web+proto":           "application/grpc-web",
			"application/grpc-web-text":            "application/grpc-web-text",
		} {
			a := c.refuseCall(tt.err, 2, "POST", contentType, "Accept", "text/html", "Sec-Fetch-Mode", "navigate")
			h := a.Header
			if a.StatusCode != http.StatusOK || h.Get("Content-Type") != want || a.ContentLength != 0 {
				t.Errorf("%v: status %d, %d bytes of %s; want 200 and nothing of %s", tt.err, a.StatusCode, a.ContentLength, h.Get("Content-Type"), want)
			}
			if h.Get("Grpc-Status") != tt.status || h.Get("Grpc-Message") != tt.text || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%v: %v, want grpc-status %s, %q, no-store", tt.err, h, tt.status, tt.text)
			}
		}
	}
}

// A session that has ended is taken back from a script of the site as from a page.
func TestCallWithADeadSessionLosesItsCookie(t *testing.T) {
	c := newRig(t, setup{}).client()
	for err, want := range map[error]bool{session.ErrInvalid: true, errors.New("the store is away"): false} {
		a := c.refuseCall(err, 1, "POST", "application/grpc-web", "Cookie", "__Host-doorward=dead")
		if got := strings.Contains(strings.Join(a.Header["Set-Cookie"], "\n"), "__Host-doorward=; "); got != want {
			t.Errorf("%v: %q, taken back %v, want %v", err, a.Header["Set-Cookie"], got, want)
		}
	}
}

func TestWhatIsNoCallIsRefusedAsAlways(t *testing.T) {
	c := newRig(t, setup{}).client()
	for _, tt := range []struct {
		major               int
		method, contentType string
	}{
		{1, "POST", "application/grpc"}, // which needs HTTP/2
		{2, "GET", "application/grpc"},
		{2, "OPTIONS", "application/grpc-web"},
		{2, "POST", "application/grpcx"},
		{2, "POST", "text/plain, application/grpc"},
	} {
		if a := c.refuseCall(session.ErrNone, tt.major, tt.method, tt.contentType); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("HTTP/%d %s %s: status %d, want 401", tt.major, tt.method, tt.contentType, a.StatusCode)
		}
	}
}
