package caddymodule

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/session"
)

const benchOrigin = "https://app.example.com"

// benchDoor returns a door that is open, over real embedded state. Sessions are
// checked once an hour, which no configuration may say, so that what is measured
// is the path that most requests take, and not the store.
func benchDoor(b *testing.B) *Handler {
	b.Helper()
	dataHome(b)
	app := provisionCaddyfile(b, `{
	log {
		output discard
	}
}
app.example.com {
	doorward {
		allow *@example.com
		bypass /healthz /static/*
	}
}
`)
	app.Session.CheckInterval = caddy.Duration(time.Hour)
	if err := app.Start(); err != nil {
		b.Fatal(err)
	}
	return app.doors[0]
}

// signInMany signs a user in n times, and returns what their browsers send as
// cookies.
func signInMany(b *testing.B, app *App, n int) []string {
	b.Helper()
	tokens := []string{signIn(b, app, "ann@example.com", benchOrigin)}
	user, err := app.operator().find(context.Background(), "ann@example.com")
	if err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				_, token, err := app.core.sessions.Begin(context.Background(), session.SignIn{
					Subject: user.ID, Audience: benchOrigin, Issuer: benchOrigin + app.Path, Methods: []string{session.MethodPasscode},
				})
				mu.Lock()
				if err != nil {
					b.Error(err)
				}
				if err != nil || len(tokens) >= n {
					mu.Unlock()
					return
				}
				tokens = append(tokens, token)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for i, token := range tokens {
		tokens[i] = "theme=dark; __Host-doorward=" + token
	}
	return tokens
}

// A visit makes requests as they reach a handler in Caddy, with what a browser
// sends. It is for one goroutine, and one request at a time.
type visit struct {
	r       *http.Request
	header  http.Header
	cookies []string
}

func newVisit(path string, header ...string) *visit {
	r := httptest.NewRequest("GET", benchOrigin+path, nil)
	for _, h := range [][2]string{
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		{"Accept-Language", "en-US,en;q=0.5"}, {"Accept-Encoding", "gzip, deflate, br, zstd"},
		{"Sec-Fetch-Dest", "document"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Site", "same-origin"},
		{"Referer", benchOrigin + "/"}, {"Priority", "u=0, i"},
	} {
		r.Header.Set(h[0], h[1])
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return &visit{r: r, header: r.Header}
}

// request returns the next request, with a session token or without.
func (v *visit) request(token string) *http.Request {
	cookie := "theme=dark"
	if token != "" {
		cookie = token // with its name, and the app's cookie
	}
	v.cookies = append(v.cookies[:0], cookie)
	v.r.Header = make(http.Header, len(v.header)+1) // as net/http makes it, with no room to spare
	maps.Copy(v.r.Header, v.header)
	v.r.Header["Cookie"] = v.cookies
	return caddyhttp.PrepareRequest(v.r, caddy.NewReplacer(), nil, nil)
}

// sink is a response nobody reads.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// serve sends a request through a middleware, and reports whether it passed.
func (s *sink) serve(h caddyhttp.MiddlewareHandler, r *http.Request) (passed bool, err error) {
	clear(s.header)
	err = h.ServeHTTP(s, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		passed = true
		return nil
	}))
	return passed, err
}

// empty is a middleware that does nothing: what measuring itself costs.
type empty struct{}

func (empty) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

// benchmark measures a middleware, with one visitor after the other.
func benchmark(b *testing.B, h caddyhttp.MiddlewareHandler, cookies []string, path string, passes bool, header ...string) {
	b.Helper()
	v, w := newVisit(path, header...), &sink{header: make(http.Header)}
	for _, cookie := range cookies { // each is checked once, before the measuring begins
		if passed, err := w.serve(h, v.request(cookie)); err != nil || passed != passes {
			b.Fatalf("passed %v, error %v, status %d", passed, err, w.status)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if passed, err := w.serve(h, v.request(cookies[i%len(cookies)])); err != nil || passed != passes {
			b.Fatalf("passed %v, error %v, status %d", passed, err, w.status)
		}
	}
}

// The directive alone, against a middleware that does nothing. What the two have
// in common is the benchmark's own.
func BenchmarkDoor(b *testing.B) {
	door := benchDoor(b)
	browser := []string(nil)
	api := []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "application/json"}
	none := []string{""}
	b.Run("empty", func(b *testing.B) { benchmark(b, empty{}, none, "/wiki", true) })
	b.Run("bypassed", func(b *testing.B) { benchmark(b, door, none, "/static/app.css", true) })
	b.Run("refused/navigation", func(b *testing.B) { benchmark(b, door, none, "/wiki", false, browser...) })
	b.Run("refused/api", func(b *testing.B) { benchmark(b, door, none, "/wiki", false, api...) })

	cookies := signInMany(b, door.app, 1)
	forged := cookies[0][:len(cookies[0])-4] + "AAAA"
	b.Run("refused/forged", func(b *testing.B) { benchmark(b, door, []string{forged}, "/wiki", false, api...) })
	b.Run("refused/garbage", func(b *testing.B) {
		benchmark(b, door, []string{"__Host-doorward=garbage"}, "/wiki", false, api...)
	})
	b.Run("passed", func(b *testing.B) { benchmark(b, door, cookies, "/wiki", true) })
	b.Run("passed/parallel", func(b *testing.B) { benchmarkParallel(b, door, cookies) })
	b.Run("empty/parallel", func(b *testing.B) { benchmarkParallel(b, empty{}, cookies) })
}

// How much is in the cache must not matter. Signing in that often takes a minute
// where each write waits for a disk; TMPDIR=/dev/shm makes it seconds.
func BenchmarkDoorWithManySessions(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			door := benchDoor(b)
			cookies := signInMany(b, door.app, n)
			b.Run("one after the other", func(b *testing.B) { benchmark(b, door, cookies, "/wiki", true) })
			b.Run("parallel", func(b *testing.B) { benchmarkParallel(b, door, cookies) })
		})
	}
}

// benchmarkParallel is benchmark with visitors at the same time.
func benchmarkParallel(b *testing.B, h caddyhttp.MiddlewareHandler, cookies []string) {
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		v, w := newVisit("/wiki"), &sink{header: make(http.Header)}
		for i := 0; p.Next(); i++ {
			if passed, err := w.serve(h, v.request(cookies[i%len(cookies)])); err != nil || !passed {
				b.Errorf("passed %v, error %v, status %d", passed, err, w.status)
				return
			}
		}
	})
}
