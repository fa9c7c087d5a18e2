package handlers_test

import (
	"net/http/httptest"
	"testing"

	"github.com/doorward/doorward/handlers"
)

func TestNavigationIsWhatAPersonSees(t *testing.T) {
	const (
		html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
		form = "application/x-www-form-urlencoded"
	)
	for _, tt := range []struct {
		name, method string
		header       []string
		want         bool
	}{
		{"link", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", html}, true},
		{"form", "POST", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", html, "Content-Type", form}, true},
		{"upload by a form", "POST", []string{"Sec-Fetch-Mode", "navigate", "Accept", html, "Content-Type", "multipart/form-data; boundary=x"}, true},
		{"frame", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", html}, true},
		{"HEAD of a link checker", "HEAD", []string{"Accept", html}, true},
		{"old browser", "GET", []string{"Accept", html}, true},
		{"form in an old browser", "POST", []string{"Accept", html, "Content-Type", form + "; charset=utf-8"}, true},

		{"fetch", "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*"}, false},
		{"fetch that asks for HTML", "GET", []string{"Sec-Fetch-Mode", "cors", "Accept", html}, false},
		{"fetch within the site", "GET", []string{"Sec-Fetch-Mode", "same-origin", "Accept", html}, false},
		{"image", "GET", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "image/avif,*/*"}, false},
		{"event stream", "GET", []string{"Sec-Fetch-Mode", "cors", "Accept", "text/event-stream"}, false},
		{"manifest", "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "manifest", "Accept", "*/*"}, false},
		{"service worker", "GET", []string{"Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "serviceworker", "Service-Worker", "script", "Accept", "*/*"}, false},
		{"WebSocket", "GET", []string{"Sec-Fetch-Mode", "websocket", "Upgrade", "websocket", "Connection", "Upgrade"}, false},
		{"WebSocket in an old browser", "GET", []string{"Upgrade", "websocket", "Connection", "Upgrade", "Accept", html}, false},
		{"WebSocket that says it navigates", "GET", []string{"Upgrade", "websocket", "Sec-Fetch-Mode", "navigate", "Accept", html}, false},
		{"preflight", "OPTIONS", []string{"Sec-Fetch-Mode", "cors", "Access-Control-Request-Method", "POST", "Accept", html}, false},
		{"XMLHttpRequest", "GET", []string{"X-Requested-With", "XMLHttpRequest", "Accept", html}, false},
		{"curl", "GET", []string{"Accept", "*/*", "User-Agent", "curl/8"}, false},
		{"curl that sends a form", "POST", []string{"Accept", "*/*", "Content-Type", form}, false},
		{"program that says nothing", "GET", nil, false},
		{"JSON in an old browser", "POST", []string{"Accept", html, "Content-Type", "application/json"}, false},
		{"PUT in an old browser", "PUT", []string{"Accept", html}, false},
	} {
		r := httptest.NewRequest(tt.method, origin+"/", nil)
		for i := 0; i+1 < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		if got := handlers.Navigation(r); got != tt.want {
			t.Errorf("%s: Navigation = %v, want %v", tt.name, got, tt.want)
		}
	}
}
