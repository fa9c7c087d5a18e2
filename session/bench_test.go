package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

// The hot path: a session that was checked a moment ago, among others.
func BenchmarkCheckFresh(b *testing.B) {
	for _, cached := range []int{1, 10_000, 100_000} {
		b.Run(strconv.Itoa(cached), func(b *testing.B) {
			h := newEmbeddedHouse(b)
			n := h.node(func(o *session.Options) { o.CacheSize = 1 << 20 })
			n.Fill(cached - 1)
			_, token := n.begin("ann")
			n.wantOK("first sight", token)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := n.Check(context.Background(), token, site); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// A token that this node sees for the first time: a signature and two values of
// the store.
func BenchmarkCheckFirstSight(b *testing.B) {
	h := newEmbeddedHouse(b)
	n := h.node(func(o *session.Options) { o.CacheSize = 1 })
	tokens := make([]string, 512)
	for i := range tokens {
		_, tokens[i] = n.begin("ann")
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(tokens) == 0 {
			n.Sessions = h.another(b, n)
		}
		if _, err := n.Check(context.Background(), tokens[i%len(tokens)], site); err != nil {
			b.Fatal(err)
		}
	}
}

// another returns sessions with an empty cache, beside n.
func (h *house) another(b *testing.B, n *node) *session.Sessions {
	b.Helper()
	return session.New(session.Options{Store: n.store, Keys: n.keys, Identities: h.people, Now: h.clock.Now})
}

// A session whose check is no longer good: two values of the store.
func BenchmarkCheckDue(b *testing.B) {
	h := newEmbeddedHouse(b)
	n := h.node(func(o *session.Options) { o.CheckInterval = 1 })
	_, token := n.begin("ann")
	b.ReportAllocs()
	for b.Loop() {
		h.clock.pass(1)
		if _, err := n.Check(context.Background(), token, site); err != nil {
			b.Fatal(err)
		}
	}
}

// What anybody can send, and beside it the one thing about it that takes time: the
// verification of a signature.
func BenchmarkCheckForged(b *testing.B) {
	f := newForger(b)
	token := forge(b, f.header, f.claims, es256(stranger(b)))
	b.Run("yardstick", func(b *testing.B) {
		_, ours := f.h.stolen(0)
		digest := sha256.Sum256([]byte(token))
		r, s, err := ecdsa.Sign(rand.Reader, stranger(b), digest[:])
		must(b, err)
		for b.Loop() {
			if ecdsa.Verify(&ours.PublicKey, digest[:], r, s) {
				b.Fatal("a stranger's signature is ours")
			}
		}
	})
	for name, token := range map[string]string{
		"signature": token,
		"largest":   f.largest(b),
		"garbage":   token[:40],
		"type":      forge(b, f.header.with("typ", session.TypeAssertion), f.claims, f.sign),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Check(context.Background(), token, site); !session.Refused(err) {
					b.Fatalf("Check = %v, want a refusal", err)
				}
			}
		})
	}
}

// largest returns a forged token that has as much to read as one may have.
func (f *forger) largest(b *testing.B) string {
	b.Helper()
	header := f.header
	for i := 0; len(header.part(b)) < 500; i++ {
		header = header.with(strconv.Itoa(i), i)
	}
	token := forge(b, header, f.claims, es256(stranger(b)))
	padding := (8<<10 - len(token)) * 3 / 4
	token = forge(b, header, f.claims.with("padding", strings.Repeat("x", padding-20)), es256(stranger(b)))
	if len(token) < 8<<10-64 || len(token) > 8<<10 {
		b.Fatalf("the token has %d bytes", len(token))
	}
	return token
}

// What is checked of a good token without the store.
func BenchmarkVerify(b *testing.B) {
	h := newEmbeddedHouse(b)
	n := h.node()
	_, token := n.begin("ann")
	b.ReportAllocs()
	for b.Loop() {
		_, err := n.keys.Verify(token, site, h.clock.Now())
		must(b, err)
	}
}

// What an unknown key ID costs: reading the token, and its part of a look for the
// key, which all senders wait for together.
func BenchmarkCheckUnknownKey(b *testing.B) {
	f := newForger(b)
	token := forge(b, f.header.with("kid", "made up"), f.claims, f.sign)
	b.Run("token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.keys.Verify(token, site, f.h.clock.Now()); !session.Refused(err) {
				b.Fatalf("Verify = %v, want a refusal", err)
			}
		}
	})
	b.Run("look", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(b, f.keys.Refresh(context.Background()))
		}
	})
	b.Run("flood", func(b *testing.B) {
		b.SetParallelism(512)
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := f.Check(context.Background(), token, site); !session.Refused(err) {
					b.Errorf("Check = %v, want a refusal", err)
					return
				}
			}
		})
	})
}

// The tokens that we sign, and beside them the signature.
func BenchmarkSign(b *testing.B) {
	h := newEmbeddedHouse(b)
	n := h.node()
	v, token := n.begin("ann")
	b.Run("yardstick", func(b *testing.B) {
		_, key := h.stolen(0)
		digest := sha256.Sum256([]byte(token))
		b.ReportAllocs()
		for b.Loop() {
			_, _, err := ecdsa.Sign(rand.Reader, key, digest[:])
			must(b, err)
		}
	})
	b.Run("session", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := n.keys.SignSession(v, issuer)
			must(b, err)
		}
	})
	b.Run("assertion", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := n.Assertion(&session.Visitor{Session: v.Session, Identity: v.Identity}, site, issuer)
			must(b, err)
		}
	})
}

func BenchmarkAssertion(b *testing.B) {
	h := newEmbeddedHouse(b)
	n := h.node()
	v, _ := n.begin("ann")
	b.ReportAllocs()
	for b.Loop() {
		n.assertion(v)
	}
}

// What forgetting one session costs where many are cached.
func BenchmarkForget(b *testing.B) {
	h := newEmbeddedHouse(b)
	n := h.node()
	n.Fill(100_000)
	for b.Loop() {
		n.Forget("nobody's")
	}
}

// What a request costs beside its check: a browser's headers are stripped, our
// cookie is cut, and our headers are set.
func BenchmarkHeaders(b *testing.B) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	cookie := session.NewCookie("", true)
	v := visitor()
	browser := http.Header{
		"Accept":                    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		"Accept-Encoding":           {"gzip, deflate, br, zstd"},
		"Accept-Language":           {"en-GB,en;q=0.5"},
		"Cookie":                    {"theme=dark; __Host-doorward=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln; cart=12"},
		"Dnt":                       {"1"},
		"Priority":                  {"u=0, i"},
		"Referer":                   {"https://app.example.com/"},
		"Sec-Fetch-Dest":            {"document"},
		"Sec-Fetch-Mode":            {"navigate"},
		"Sec-Fetch-Site":            {"same-origin"},
		"Sec-Fetch-User":            {"?1"},
		"Upgrade-Insecure-Requests": {"1"},
		"User-Agent":                {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
	}
	for name, work := range map[string]func(r *http.Request){
		"Strip":         func(r *http.Request) { ih.Strip(r) },
		"Cut":           func(r *http.Request) { cookie.Cut(r.Header) },
		"Strip+Cut+Set": func(r *http.Request) { ih.Strip(r); cookie.Cut(r.Header); ih.Set(r.Header, v, "assertion") },
	} {
		b.Run(name, func(b *testing.B) {
			r := &http.Request{Header: browser.Clone()}
			cookies := browser["Cookie"]
			b.ReportAllocs()
			for b.Loop() {
				r.Header["Cookie"] = cookies
				work(r)
			}
		})
	}
}
