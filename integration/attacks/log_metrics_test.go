package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// metered is a house whose Caddy counts requests.
var metered = sync.OnceValue(func() *House { return Build(&ever, Plan{Global: "metrics"}) })

// metrics returns what an operator reads at the admin endpoint.
func (s *Scene) metrics() string {
	s.T.Helper()
	return string(s.Admin(s.T, "GET", "/metrics", nil))
}

// series are the time series among metrics, without their values and without those
// about the process.
func series(metrics string) map[string]bool {
	all := make(map[string]bool)
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "caddy_http_") {
			all[line[:strings.LastIndexByte(line, ' ')]] = true
		}
	}
	return all
}

// Metrics, health and what else a process tells of itself can be read by anybody, or
// tells who the visitors are.
func TestT148MetricsAreNotServedAndNameNobody(t *testing.T) {
	s := metered().Begin(t)
	p := s.SignedIn("ann")
	s.Get(A, "/somewhere/secret-plan", p.Cookie)
	s.Seen()
	targets := []string{"/metrics", "/debug/pprof/", "/debug/vars", "/config/", "/load", "/doorward/users", "/reverse_proxy/upstreams"}
	for _, target := range targets {
		for _, field := range []string{"Accept: application/openmetrics-text", "User-Agent: Prometheus/2.53.0", "X-Forwarded-Host: " + s.Gateway.AdminAddr} {
			if a := s.Get(A, target, field); a.Status != http.StatusUnauthorized && a.Status != http.StatusNotFound {
				t.Errorf("%s: %v", field, a)
			}
			s.Quiet()
		}
		if strings.HasPrefix(target, "/doorward/") {
			continue
		}
		// The admin endpoint's own name, for which there is no site: Caddy has nothing to say.
		if a := s.Get(A, target, "Host: "+s.Gateway.AdminAddr); a.Body != "" {
			t.Errorf("as the admin endpoint: %v", a)
		}
		s.Quiet()
	}
	for _, target := range targets { // they are the app's own pages, if it has them
		if strings.HasPrefix(target, "/doorward/") {
			continue
		}
		if a := s.Get(A, target, p.Cookie); strings.Contains(a.Body, "caddy_http") || strings.Contains(a.Body, `"apps"`) {
			t.Errorf("somebody who is signed in: %v", a)
		}
		if b := s.One(); b.Target != target {
			t.Errorf("the app was asked for %s, want %s", b.Target, target)
		}
	}
	for _, target := range []string{"/doorward/metrics", "/doorward/debug/pprof/", "/doorward/health", "/doorward/config"} {
		if a := s.Get(A, target, p.Cookie); a.Status != http.StatusNotFound {
			t.Errorf("%v, want 404", a)
		}
	}
	for _, target := range []string{"/doorward/health/alive", "/doorward/health/ready"} {
		a := s.Get(A, target)
		if a.Status != http.StatusOK || len(a.Body) > 100 {
			t.Errorf("%v, want 200 and little more", a)
		}
	}
	metrics := s.metrics()
	for _, name := range []string{p.Address, p.ID, "secret-plan", "wiki", s.Gateway.Dir} {
		if strings.Contains(metrics, name) {
			t.Errorf("the metrics have %q", name)
		}
	}
	if len(series(metrics)) == 0 {
		t.Errorf("no metrics:\n%s", metrics)
	}
}

// Each host, path, method or user that a client makes up is a time series more, until
// there is no memory left.
func TestT149ClientsMultiplyNoSeries(t *testing.T) {
	s := metered().Begin(t)
	s.Opens = func(Bytes) bool { return false }
	p := s.SignedIn("ann")
	bob := s.SignedIn("bob")
	round := func(n int) {
		name := fmt.Sprintf("x%d", n)
		s.Get(A, "/"+name, p.Cookie)
		s.Get(A, "/"+name)
		s.Get(A, "/doorward/"+name)
		s.Get(A, "/wiki?"+name+"="+name, "Authorization: Bearer "+name)
		s.Get(A, "/wiki", fmt.Sprintf("Host: %s.example.test:%d", name, s.Gateway.Port))
		s.Send(A, s.Request(A, "X"+strings.ToUpper(name), "/"+name))
		s.Post(A, "/doorward/passcode/login/finalize", map[string]string{"id": name, "code": "000000"})
		s.Post(A, "/doorward/webauthn/login/finalize", map[string]string{"id": name})
	}
	round(0)
	s.metrics()
	round(1) // whatever answer there is to a request, there has been one by now
	before := series(s.metrics())
	for n := range 30 {
		round(n + 2)
	}
	for n := range 5 {
		s.SignedIn(fmt.Sprintf("user%d", n))
	}
	s.Get(B, "/", bob.Cookie)
	for name := range series(s.metrics()) {
		if !before[name] && !strings.Contains(name, `code="429"`) { // and a budget may be spent at last
			t.Errorf("a series more: %s", name)
		}
	}
	if len(before) == 0 || len(before) > 2000 {
		t.Errorf("%d series", len(before))
	}
}
