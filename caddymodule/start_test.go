package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// watched is a context that tells when somebody begins to wait for it.
type watched struct {
	context.Context
	once    sync.Once
	waiting chan struct{}
}

func (w *watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waiting) })
	return w.Context.Done()
}

// begin sends a request to a door, and returns when it waits for the start.
func begin(t *testing.T, door *Handler, ctx context.Context) (*httptest.ResponseRecorder, <-chan error) {
	t.Helper()
	watch := &watched{Context: ctx, waiting: make(chan struct{})}
	w, done := httptest.NewRecorder(), make(chan error, 1)
	go func() {
		r := httptest.NewRequest("GET", "http://localhost/", nil).WithContext(watch)
		done <- door.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			t.Error("the request reached the app")
			return nil
		}))
	}()
	select {
	case <-watch.waiting:
	case <-time.After(20 * time.Second):
		t.Fatal("the request does not wait")
	}
	return w, done
}

const localhostSite = "http://localhost {\n\tdoorward\n}\n"

func TestRequestBeforeTheStartWaitsForIt(t *testing.T) {
	dataHome(t)
	app := provisionCaddyfile(t, localhostSite)
	w, done := begin(t, app.doors[0], t.Context())
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || w.Code != http.StatusUnauthorized {
		t.Errorf("answered %d, error %v, want 401", w.Code, err)
	}
}

func TestRequestsAreRefusedAtOnceIfTheStartFails(t *testing.T) {
	home := dataHome(t)
	if err := os.WriteFile(filepath.Join(home, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	app := provisionCaddyfile(t, "{\n\tdoorward {\n\t\tstore embedded:"+home+"/file/store.db\n\t}\n}\n"+localhostSite)
	w, done := begin(t, app.doors[0], t.Context())
	if err := app.Start(); err == nil {
		t.Fatal("it starts without a store")
	}
	wantUnready(t, w, done)
}

func TestRequestsAreRefusedIfAnotherAppFailsToStart(t *testing.T) {
	dataHome(t)
	app := provisionCaddyfile(t, localhostSite)
	w, done := begin(t, app.doors[0], t.Context())
	if err := app.Cleanup(); err != nil { // what Caddy does then
		t.Error(err)
	}
	wantUnready(t, w, done)
}

func TestRequestWaitsNoLongerThanItsClient(t *testing.T) {
	dataHome(t)
	app := provisionCaddyfile(t, localhostSite)
	ctx, hangUp := context.WithCancel(t.Context())
	w, done := begin(t, app.doors[0], ctx)
	hangUp()
	wantUnready(t, w, done)
}

// wantUnready waits for a request's end, and wants a 503 that says when to come
// back.
func wantUnready(t *testing.T, w *httptest.ResponseRecorder, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		var status caddyhttp.HandlerError
		if !errors.As(err, &status) || status.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("error %v, want 503", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the request still waits")
	}
	if got := w.Header().Get("Retry-After"); got == "" {
		t.Error("the answer does not say when to come back")
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
}
