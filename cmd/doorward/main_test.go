package main

import (
	"os"
	"testing"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/doorward/doorward/caddymodule"
)

func TestProgramHasOurModulesAndCaddys(t *testing.T) {
	for _, id := range []string{"doorward", "http.handlers.doorward", "admin.api.doorward", "http", "tls", "http.handlers.reverse_proxy"} {
		if _, err := caddy.GetModule(id); err != nil {
			t.Error(err)
		}
	}
}

// A sub-command that is given without its prefix must not hide one of Caddy's.
func TestSubcommandsWithoutPrefixHideNoneOfCaddys(t *testing.T) {
	commands := caddycmd.Commands()
	if _, ok := commands["doorward"]; !ok {
		t.Fatal("there is no doorward command")
	}
	for name := range commands {
		args := []string{os.Args[0], name}
		if got := caddymodule.ExpandArgs(args); len(got) != len(args) {
			t.Errorf("%s runs as %q", name, got)
		}
	}
}
