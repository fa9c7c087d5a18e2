package caddymodule

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/ceremony"
)

// What a Caddyfile is refused for, JSON is refused for as well, and for what a
// Caddyfile cannot say.
func TestLimitsAreBounded(t *testing.T) {
	const hour = caddy.Duration(time.Hour)
	for _, tt := range []struct {
		name   string
		limits Limits
		want   string // in the error; empty: none
	}{
		{"none", Limits{}, ""},
		{"the least", Limits{Tries: Limit{1, caddy.Duration(day)}, WrongPasscodes: Limit{1, caddy.Duration(365 * day)}}, ""},
		{"the most", Limits{Letters: Limit{100, hour}, Tries: Limit{100, hour}, WrongPasscodes: Limit{100, caddy.Duration(day)}, NetworkTries: Limit{1_000_000, caddy.Duration(time.Minute)}}, ""},
		{"times alone", Limits{Signups: Limit{Times: 5}}, "limits signups: want both"},
		{"a time alone", Limits{Lookups: Limit{Per: hour}}, "limits lookups: want both"},
		{"less than none", Limits{Passcodes: Limit{-1, hour}}, "limits passcodes: want between 1 and 1000000 times, not -1"},
		{"a negative time", Limits{NewPasskeys: Limit{5, -hour}}, "limits new_passkeys: want a time between 1m and 24h, not -1h"},
		{"letters, many at once", Limits{Letters: Limit{10, caddy.Duration(time.Minute)}}, "limits letters: 10 in 1m are 600 an hour, and 100 are the most"},
		{"one try too many", Limits{Tries: Limit{51, caddy.Duration(30 * time.Minute)}}, "limits tries: 51 in 30m are 102 an hour, and 100 are the most"},
		{"a little too often", Limits{Tries: Limit{100, hour - 1}}, "limits tries: 100 in 59m59.999999999s are 101 an hour, and 100 are the most"},
		{"wrong passcodes of a day less a second", Limits{WrongPasscodes: Limit{100, caddy.Duration(day - time.Second)}}, "limits wrong_passcodes: want a time between 24h and 8760h, not 23h59m59s"},
	} {
		err := tt.limits.validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

// The grammar names each limit once more than its field does.
func TestLimitsAreNamedAsTheirJSON(t *testing.T) {
	var l Limits
	keys := make(map[string]bool)
	for _, b := range l.all() {
		*b.limit = Limit{1, caddy.Duration(day)}
		if got, want := encode(t, l), fmt.Sprintf("%q:{", b.name); !strings.Contains(got, want) {
			t.Errorf("%s is not %s in %s", b.name, want, got)
		}
		keys[b.name] = true
	}
	if got := strings.Count(encode(t, l), "times"); got != len(keys) || got != 11 {
		t.Errorf("%d limits in JSON and %d names, want 11", got, len(keys))
	}
}

// A budget that began anew with each configuration would be none for whoever waits
// for the operator to change one.
func TestReloadWithOtherLimitsKeepsCounters(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(times int) string {
		return fmt.Sprintf("{%s\n\tdoorward {\n\t\tmail log\n\t\tlimits {\n\t\t\tpasscodes %d 24h\n\t\t}\n\t}\n}\n%s {\n\tdoorward {\n\t\tallow *@example.com\n\t}\n}\n", quiet, times, base)
	}
	c := client(t)
	n := 0
	for _, step := range []struct{ times, more int }{{2, 2}, {4, 1}, {2, 0}, {7, 1}} {
		if err := load(t, site(step.times)); err != nil {
			t.Fatal(err)
		}
		for range step.more {
			n++
			initialize(t, c, base, fmt.Sprintf("user%d@example.com", n))
		}
		// What is refused is counted as well.
		got := send(t, c, "POST", base+"/doorward/passcode/login/initialize", `{"email":"more@example.com"}`, "Content-Type", "application/json")
		if want := http.StatusTooManyRequests; got.status != want {
			t.Errorf("%d a day, after %d: status %d, want %d", step.times, n, got.status, want)
		}
	}
}

// A field that makes it into the configuration and not to a ceremony would be a
// budget that cannot be changed.
func TestLimitsReachTheCeremonies(t *testing.T) {
	l := Limits{
		Letters: Limit{1, 60}, Passcodes: Limit{2, 61}, Tries: Limit{3, 62}, WrongPasscodes: Limit{4, 63}, NetworkTries: Limit{5, 64},
	}
	want := ceremony.Budgets{
		Letters: ceremony.Budget{Times: 1, Per: 60}, Begun: ceremony.Budget{Times: 2, Per: 61}, Tries: ceremony.Budget{Times: 3, Per: 62},
		Wrong: ceremony.Budget{Times: 4, Per: 63}, TriesFrom: ceremony.Budget{Times: 5, Per: 64},
	}
	if got := l.ofPasscodes(); got != want {
		t.Errorf("budgets of passcodes: %+v, want %+v", got, want)
	}
}

// Each limit is set to once a day, and what it is for done twice. The log says which
// one it was, by the name that an operator can raise it by.
func TestEachLimitHoldsWhatItIsFor(t *testing.T) {
	log := filepath.Join(dataHome(t), "log")
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	var block strings.Builder
	for _, b := range new(Limits).all() {
		if b.name != "wrong_passcodes" && b.name != "passcodes" && b.name != "network_tries" { // TestLimitsReachTheCeremonies
			fmt.Fprintf(&block, "\t\t\t%s 1 24h\n", b.name)
		}
	}
	err := load(t, fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tlog {\n\t\toutput file %s\n\t}\n\tdoorward {\n\t\tmail log\n\t\tapi {\n\t\t\taccount_lookup on\n\t\t}\n\t\tlimits {\n%s\t\t}\n\t}\n}\n%s {\n\tdoorward {\n\t\tallow *@example.com\n\t}\n}\n", log, &block, base))
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + signIn(t, running(t), "ann@example.com", base)
	ann, err := running(t).operator().find(t.Context(), "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	c := client(t)
	id := initialize(t, c, base, "bob@example.com")
	for _, tt := range []struct{ limit, path, body, token string }{
		{"tries", "/passcode/login/finalize", `{"id":"` + id + `","code":"x"}`, ""},
		{"lookups", "/user", `{"email":"carl@example.com"}`, ""},
		{"signups", "/users", `{"email":"dora@example.com"}`, ""},
		{"letters", "/passcode/login/initialize", `{"email":"ann@example.com"}`, ""},
		{"passkey_logins", "/webauthn/login/initialize", "", ""},
		{"new_addresses", "/emails", `{"address":"ann@example.org"}`, bearer},
		{"address_changes", "/emails/" + ann.Emails[0].ID + "/set_primary", "", bearer},
		{"new_passkeys", "/webauthn/registration/initialize", "", bearer},
	} {
		for i := range 2 {
			header := []string{"Content-Type", "application/json"}
			if tt.token != "" {
				header = append(header, "Authorization", tt.token)
			}
			got := send(t, c, "POST", base+"/doorward"+tt.path, tt.body, header...)
			if limited := got.status == http.StatusTooManyRequests; limited != (i == 1) || got.status >= 500 {
				t.Errorf("%s, time %d: status %d, want 429 for the second\n%s", tt.limit, i+1, got.status, got.body)
			}
		}
		refused := regexp.MustCompile(`"msg":"request refused".*"path":"/doorward` + regexp.QuoteMeta(tt.path) + `","status":429.*"limit":"` + tt.limit + `"`)
		if content := read(t, log); !refused.MatchString(content) {
			t.Errorf("the log does not say that %s are spent:\n%s", tt.limit, content)
		}
	}
}
