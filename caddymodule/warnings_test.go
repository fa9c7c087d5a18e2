package caddymodule

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each of these is valid, and gives something away to whoever knows of it.
func TestWhatGivesMoreAwayThanItSeemsToIsNamedInTheLogAtTheStart(t *testing.T) {
	const (
		strict      = `"msg":"trusted_proxies without trusted_proxies_strict`
		credentials = `"msg":"log_credentials puts cookies`
		letters     = `"msg":"passcodes are written to this log`
		door        = "app.example.com {\ndoorward\n}\nwiki.example.com {\ndoorward\n}\n"
	)
	for _, tt := range []struct {
		name, options, mail, sites string
		want                       []string
	}{
		{"nothing", "", "", door, nil},
		{"proxies", "servers {\ntrusted_proxies static 10.0.0.2/32\n}", "", door, []string{strict}},
		{"a proxy at a socket", "servers {\ntrusted_proxies_unix\n}", "", door, []string{strict}},
		{"proxies, strictly", "servers {\ntrusted_proxies static 10.0.0.2/32\ntrusted_proxies_strict\n}", "", door, nil},
		{"proxies of a server without doors", "servers {\ntrusted_proxies static 10.0.0.2/32\nlog_credentials\n}", "", "app.example.com {\nrespond ok\n}\n", nil},
		{"proxies of well-known files", "servers {\ntrusted_proxies static 10.0.0.2/32\n}", "", "example.com {\ndoorward_well_known\n}\n", nil},
		{"proxies of another server", "servers :8443 {\ntrusted_proxies static 10.0.0.2/32\n}", "", door + "app.example.com:8443 {\nrespond ok\n}\n", nil},
		{"credentials", "servers {\nlog_credentials\n}", "", door, []string{credentials}},
		{"both", "servers {\ntrusted_proxies static 10.0.0.2/32\nlog_credentials\n}", "", door, []string{strict, credentials}},
		{"mail log", "", "mail log", door, []string{letters}},
		{"mail", "", "mail smtp://localhost:25 {\nfrom door@example.com\n}", door, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(dataHome(t), "log")
			app := provisionCaddyfile(t, "{\nlog {\noutput file "+file+"\n}\n"+tt.options+"\ndoorward {\n"+tt.mail+"\n}\n}\n"+tt.sites)
			if err := app.Start(); err != nil {
				t.Fatal(err)
			}
			log := read(t, file)
			for _, warning := range []string{strict, credentials, letters} {
				want := 0
				if slices.Contains(tt.want, warning) {
					want = 1 // of two doors on one server, too
				}
				if got := strings.Count(log, warning); got != want {
					t.Errorf("%s\nis there %d times, want %d:\n%s", warning, got, want, log)
				}
			}
		})
	}
}
