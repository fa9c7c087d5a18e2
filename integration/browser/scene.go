package browser

import (
	"context"
	"fmt"
	"testing"

	"github.com/doorward/doorward/integration/contract"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/store/storetest"
)

// A Scene is a site that people visit: a gateway, the app behind it, and the
// mailbox of everybody to whom letters are sent. Whoever has an address at
// example.com may pass; below /admin/ nobody may. People may delete their accounts.
// What their browsers are answered is held against docs/openapi.yaml on the way.
type Scene struct {
	URL     string
	App     *testbed.App
	Mailbox *mailtest.Mailbox
	Gateway *testbed.Gateway
	Redis   *storetest.Redis // nil for the embedded store

	t       testing.TB
	browser *Browser
}

// NewScene starts a site whose state is embedded in the gateway.
func NewScene(t testing.TB, b *Browser) *Scene {
	t.Helper()
	s := &Scene{t: t, browser: b}
	s.start("")
	return s
}

// NewRedisScene starts a site whose expiring state is in Redis.
func NewRedisScene(t testing.TB, b *Browser) *Scene {
	t.Helper()
	s := &Scene{t: t, browser: b, Redis: storetest.StartRedis(t)}
	s.start(`
		store ` + s.Redis.URL() + `
		secret 0123456789abcdef0123456789abcdef`)
	return s
}

func (s *Scene) start(options string) {
	s.t.Helper()
	s.App, s.Mailbox = testbed.StartApp(s.t), mailtest.Start(s.t, mailtest.Options{})
	s.Gateway = testbed.Start(s.t, testbed.Options{Host: "127.0.0.2", Caddyfile: `{
	doorward {
		mail ` + s.Mailbox.URL() + ` {
			from "Example <door@example.com>"
		}
		pages {
			name Example
		}
		account {
			deletion on
		}` + options + `
	}
}
http://localhost:$PORT {
	bind $HOST
	@admin path /admin/*
	doorward @admin {
		allow group:admins
	}
	doorward {
		allow *@example.com
	}
	reverse_proxy ` + s.App.Addr + `
}
`})
	contract.Witness(s.t, fmt.Sprintf("127.0.0.1:%d", s.Gateway.Port), s.Gateway.Addr)
	s.URL = s.Gateway.URL
}

// Visitor returns somebody who is about to visit the site.
func (s *Scene) Visitor() *Visitor {
	s.t.Helper()
	return s.browser.Visitor(s.t, s.URL)
}

// Letter waits for the next letter to an address.
func (s *Scene) Letter(address string) mailtest.Letter {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	letter, err := s.Mailbox.For(ctx, address)
	if err != nil {
		s.t.Fatalf("to %s: %v", address, err)
	}
	return letter
}

// Passcode waits for the next letter to an address that has a passcode in it.
func (s *Scene) Passcode(address string) string {
	s.t.Helper()
	for {
		if passcode := s.Letter(address).Passcode(); passcode != "" {
			return passcode
		}
	}
}

// SignsIn has a visitor, who is at the sign-in page, sign in with a passcode.
func (s *Scene) SignsIn(v *Visitor, address string) {
	s.t.Helper()
	v.TypesInto("#email", address)
	v.ClicksOn("#login .primary")
	v.TypesInto("#passcode", s.Passcode(address))
	v.Finds(`String(document.getElementById("passcode") === null)`, "true")
}

// Joins has a visitor with an authenticator sign in for the first time and take
// the passkey that they are offered. They end up at their account.
func (s *Scene) Joins(v *Visitor, address string) {
	s.t.Helper()
	v.Visits("/doorward/account")
	s.SignsIn(v, address)
	v.ClicksOn("#passkey-add .primary")
	v.IsAt("/doorward/account")
}
