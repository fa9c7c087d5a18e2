package clients

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/browser"
	"github.com/doorward/doorward/integration/contract"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// patience is how long a person waits for a letter or a page.
const patience = 20 * time.Second

// Options says what kind of gateway a [Scene] has.
type Options struct {
	Layout

	// Lookup lets strangers ask whether an address has an account.
	Lookup bool

	// Closed lets nobody sign up.
	Closed bool

	// Keeps forbids people to delete their accounts.
	Keeps bool
}

// A Scene is an app with pages that use the clients, at a host called shop, and
// the gateway in front of it. The pages are below /pub/, which is open; all else
// is the app's, behind the door. Where the API is apart, its host is called auth.
// Whoever has an address at example.com may pass.
type Scene struct {
	Options
	Site    string // the origin of the pages and the app
	API     string // what the clients are told: a path, or the other host's origin
	App     *testbed.App
	Mailbox *mailtest.Mailbox
	Gateway *testbed.Gateway

	t       testing.TB
	browser *browser.Browser
}

// The hosts have one parent, the relying party, as they would anywhere. Browsers
// know that names below localhost are this machine's, and trust them without TLS.
const (
	parent = "example.localhost"
	shop   = "shop." + parent
	auth   = "auth." + parent
)

// NewScene starts a gateway.
func NewScene(t testing.TB, b *browser.Browser, o Options) *Scene {
	t.Helper()
	s := &Scene{Options: o, t: t, browser: b, App: testbed.StartApp(t), Mailbox: mailtest.Start(t, mailtest.Options{})}
	s.Gateway = testbed.Start(t, testbed.Options{Caddyfile: s.caddyfile(), Host: "127.0.0.2"})
	port := fmt.Sprint(s.Gateway.Port)
	contract.Witness(t, net.JoinHostPort("127.0.0.1", port), s.Gateway.Addr)
	s.Site, s.API = "http://"+net.JoinHostPort(shop, port), "/doorward"
	if o.Apart {
		s.API = "http://" + net.JoinHostPort(auth, port)
	}
	return s
}

func (s *Scene) caddyfile() string {
	onOff := func(on bool) string {
		if on {
			return "on"
		}
		return "off"
	}
	signup := "open"
	if s.Closed {
		signup = "closed"
	}
	api := fmt.Sprintf(`
			token_header %s
			account_lookup %s
			signup %s`, onOff(s.Header), onOff(s.Lookup), signup)
	host := ""
	if s.Apart {
		api += `
			cors http://` + shop + `:$PORT
			sites http://` + shop + `:$PORT`
		host = `http://` + auth + `:$PORT {
	bind $HOST
	doorward_api {
		allow *@example.com
	}
}
`
	}
	npm := filepath.Join(testbed.Root(), "integration", "npm", "node_modules", "@teamhanko")
	pages := filepath.Join(testbed.Root(), "integration", "clients", "pages")
	return `{
	doorward {
		mail ` + s.Mailbox.URL() + ` {
			from "Example <door@example.com>"
		}
		relying_party ` + parent + ` {
			name Example
		}
		session {
			cookie hanko
		}
		api {` + api + `
		}
		account {
			deletion ` + onOff(!s.Keeps) + `
		}
	}
}
` + host + `http://` + shop + `:$PORT {
	bind $HOST
	doorward {
		allow *@example.com
		bypass /pub/*
	}
	handle_path /pub/npm/* {
		root * ` + npm + `
		file_server
	}
	handle_path /pub/* {
		root * ` + pages + `
		file_server
	}
	handle {
		reverse_proxy ` + s.App.Addr + `
	}
}
`
}

// Passcode waits for the next letter to an address that has a passcode in it.
func (s *Scene) Passcode(address string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		letter, err := s.Mailbox.For(ctx, address)
		if err != nil {
			s.t.Fatalf("to %s: %v", address, err)
		}
		if passcode := letter.Passcode(); passcode != "" {
			return passcode
		}
	}
}

// Wrong returns a passcode that is not the right one.
func Wrong(passcode string) string {
	first := strings.Repeat("1", len(passcode))
	if passcode != first {
		return first
	}
	return strings.Repeat("2", len(passcode))
}
