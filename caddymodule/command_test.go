package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// runCommand runs a sub-command against the admin API at address.
func runCommand(address string, args ...string) (string, error) {
	t := &terminal{address: address}
	root := &cobra.Command{Use: "doorward", SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().BoolVar(&t.json, "json", false, "")
	root.AddCommand(usersCommand(t), sessionsCommand(t), keysCommand(t), exportCommand(t), importCommand(t), apkKeyHashCommand(t))
	var output bytes.Buffer
	root.SetOut(&output)
	root.SetErr(&output)
	root.SetArgs(args)
	err := root.Execute()
	return output.String(), err
}

func TestSubcommandsNeedNoPrefix(t *testing.T) {
	for _, tt := range []struct{ args, want []string }{
		{[]string{"doorward", "users", "list"}, []string{"doorward", "doorward", "users", "list"}},
		{[]string{"doorward", "sessions", "end", "a"}, []string{"doorward", "doorward", "sessions", "end", "a"}},
		{[]string{"doorward", "keys", "rotate", "--now"}, []string{"doorward", "doorward", "keys", "rotate", "--now"}},
		{[]string{"doorward", "export", "-o", "x"}, []string{"doorward", "doorward", "export", "-o", "x"}},
		{[]string{"doorward", "import", "x"}, []string{"doorward", "doorward", "import", "x"}},
		{[]string{"doorward", "apk-key-hash", "-"}, []string{"doorward", "doorward", "apk-key-hash", "-"}},
		{[]string{"doorward", "doorward", "users", "list"}, []string{"doorward", "doorward", "users", "list"}},
		{[]string{"doorward", "run", "users"}, []string{"doorward", "run", "users"}},
		{[]string{"doorward", "help", "users"}, []string{"doorward", "help", "doorward", "users"}},
		{[]string{"doorward", "help", "run"}, []string{"doorward", "help", "run"}},
		{[]string{"doorward", "help"}, []string{"doorward", "help"}},
		{[]string{"doorward"}, []string{"doorward"}},
	} {
		before := slices.Clone(tt.args)
		if got := ExpandArgs(tt.args); !slices.Equal(got, tt.want) {
			t.Errorf("ExpandArgs(%q) = %q, want %q", before, got, tt.want)
		}
		if !slices.Equal(tt.args, before) {
			t.Errorf("ExpandArgs changed its argument to %q", tt.args)
		}
	}
}

func TestCommandsLookAfterUsersSessionsAndKeys(t *testing.T) {
	dataHome(t)
	admin := fmt.Sprintf("localhost:%d", freePort(t))
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{\n\tadmin "+admin+"\n\tpersist_config off\n\tlog {\n\t\toutput discard\n\t}\n}\n"+base+" {\n\tdoorward\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	app := running(t)
	steps := []struct {
		args    string
		want    string // in the output
		refused string // in the error
	}{
		{"users list", "ADDRESS", ""},
		{"users add ann@example.com --name Ann --group staff --group admins", "added ann@example.com\n", ""},
		{"users add ann@example.com", "ann@example.com was there already", ""},
		{"users add ann", "", "address"},
		{"users show ann@example.com", "admins,staff", ""},
		{"users show bob@example.com", "", "no such user"},
		{"users list", "invited", ""},
		{"users groups ann@example.com", "ann@example.com: admins,staff\n", ""},
		{"users groups ann@example.com staff", "ann@example.com: staff\n", ""},
		{"users groups ann@example.com --none", "ann@example.com: -\n", ""},
		{"users groups ann@example.com staff --none", "", "--none goes without groups"},
		{"users disable ann@example.com", "disabled ann@example.com\n", ""},
		{"users list", "disabled", ""},
		{"users enable ann@example.com", "enabled ann@example.com\n", ""},
		{"users unlock ann@example.com", "unlocked ann@example.com\n", ""},
		{"users unlock bob@example.com", "", "no such user"},
		{"users list --json", `"email": "ann@example.com"`, ""},
		{"sessions list ann@example.com", "LAST SEEN", ""},
		{"sessions list nobody@example.com", "", "no such user"},
		{"sessions end ann@example.com", "", "--all"},
		{"sessions end ann@example.com abc --all", "", "--all"},
		{"sessions end ann@example.com --all", "ended\n", ""},
		{"users remove ann@example.com", "removed ann@example.com\n", ""},
		{"users remove ann@example.com", "", "no such user"},
		{"keys list", "signing", ""},
		{"keys list", "GOES", ""},
		{"keys rotate", " signs from ", ""},
		{"keys list", "next", ""},
		{"keys rotate --now", " signs now\n", ""},
		{"keys rotate --now --json", `"state": "signing"`, ""},
		{"keys list --json", `"state": "verifying"`, ""},
		{"keys reseal", "sealed again: 0\n", ""},
		{"keys reseal --json", `"resealed": 0`, ""},
		{"keys rotate now", "", "now"},
		{"keys list extra", "", "extra"},
		{"keys rotat", "", "rotat"},
		{"users add", "", "accepts 1 arg"},
		{"users list extra", "", "extra"},
	}
	for _, s := range steps {
		output, err := runCommand(admin, strings.Fields(s.args)...)
		switch {
		case s.refused == "" && err != nil:
			t.Errorf("%s: %v", s.args, err)
		case s.refused != "" && (err == nil || !strings.Contains(err.Error(), s.refused)):
			t.Errorf("%s: error %v, want %q", s.args, err, s.refused)
		case !strings.Contains(output, s.want):
			t.Errorf("%s: %q, want %q", s.args, output, s.want)
		}
	}
	signIn(t, app, "bob@example.com", base)
	output, err := runCommand(admin, "sessions", "list", "bob@example.com", "--json")
	var sessions []adminSession
	if err != nil || json.Unmarshal([]byte(output), &sessions) != nil || len(sessions) != 1 {
		t.Fatalf("sessions list --json: %v, %s", err, output)
	}
	if output, err := runCommand(admin, "sessions", "end", "bob@example.com", sessions[0].ID); err != nil || output != "ended\n" {
		t.Errorf("sessions end: %v, %q", err, output)
	}
}

func TestCommandsSayWhatKeepsThemFromTheServer(t *testing.T) {
	without := httptest.NewServer(http.NotFoundHandler())
	defer without.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>"))
	}))
	defer broken.Close()
	lost := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeAdmin(w, nil, fmt.Errorf("the change is made, but open sessions could not be told: %w", syscall.ECONNREFUSED))
	}))
	defer lost.Close()
	for _, tt := range []struct{ name, address, want string }{
		{"nobody listens", fmt.Sprintf("localhost:%d", freePort(t)), "no server is running"},
		{"no socket", "unix//does/not/exist.sock", "no server is running"},
		{"Caddy without Doorward", without.Listener.Addr().String(), "built without Doorward"},
		{"a server whose store is away", lost.Listener.Addr().String(), "the change is made, but open sessions could not be told"},
		{"something else", broken.Listener.Addr().String(), "reading the server's answer"},
	} {
		if _, err := runCommand(tt.address, "users", "list"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestResealingTellsWhenTheOldSecretCanGo(t *testing.T) {
	dataHome(t)
	admin := fmt.Sprintf("localhost:%d", freePort(t))
	site := func(secrets string) string {
		return "{\n\tadmin " + admin + "\n\tpersist_config off\n\tlog {\n\t\toutput discard\n\t}\n\tdoorward {\n\t\tsecret " + secrets +
			"\n\t\tsession {\n\t\t\tidle 2h\n\t\t}\n\t}\n}\nhttp://localhost:" + fmt.Sprint(freePort(t)) + " {\n\tdoorward\n}\n"
	}
	for _, secrets := range []string{fmt.Sprintf("%q", oldSecret), fmt.Sprintf("%q %q", newSecret, oldSecret)} {
		if err := load(t, site(secrets)); err != nil {
			t.Fatal(err)
		}
	}
	output, err := runCommand(admin, "keys", "reseal")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(output, "sealed again: 1\nIf all nodes seal with the new secret, the old one can go after ")
	text, _, _ := strings.Cut(rest, ".")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if in := time.Until(at); in < 3*time.Hour || in > 3*time.Hour+10*time.Minute {
		t.Errorf("the old secret can go in %v, want one and a half of the idle limit and a little", in)
	}
}
