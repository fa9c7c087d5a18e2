package caddymodule

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// What a request costs that does not pass by the cache alone, from what nobody has
// signed to what the store is asked about.
func BenchmarkDoorTokens(b *testing.B) {
	door := benchDoor(b)
	api := []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "application/json"}
	cookies := signInMany(b, door.app, 256)
	refused := func(name, cookie string, header ...string) {
		b.Run(name, func(b *testing.B) { benchmark(b, door, []string{cookie}, "/wiki", false, header...) })
	}
	refused("none/navigation", "")
	refused("none/api", "", api...)
	refused("garbage", "__Host-doorward=garbage", api...)
	refused("forged", forgedSignature(cookies[0]), api...)
	b.Run("unknown key", func(b *testing.B) { benchmarkFlood(b, door, unknownKey(b, cookies[0]), api) })
	b.Run("first sight", func(b *testing.B) { benchmarkFirstSight(b, door, cookies) })
	b.Run("check", func(b *testing.B) {
		remember(door, 1)
		benchmark(b, door, cookies[:1], "/wiki", true)
	})
	b.Run("passed", func(b *testing.B) {
		remember(door, time.Hour)
		benchmark(b, door, cookies[:1], "/wiki", true)
	})
}

// forgedSignature returns a cookie that is right but for the signature of its token.
func forgedSignature(cookie string) string {
	last := strings.LastIndexByte(cookie, '.') + 1
	return cookie[:last] + strings.Repeat("A", 10) + cookie[last+10:]
}

// unknownKey returns a cookie whose token names a key that there is not.
func unknownKey(b *testing.B, cookie string) string {
	b.Helper()
	name, token, _ := strings.Cut(cookie, "__Host-doorward=")
	encoded, rest, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		b.Fatal(err)
	}
	changed := strings.Replace(string(header), `"kid":"`, `"kid":"not-`, 1)
	if changed == string(header) {
		b.Fatalf("no kid in %s", header)
	}
	return name + "__Host-doorward=" + base64.RawURLEncoding.EncodeToString([]byte(changed)) + "." + rest
}

// benchmarkFlood measures refusals that wait for each other, of many senders at the
// same time.
func benchmarkFlood(b *testing.B, door *Handler, cookie string, header []string) {
	b.SetParallelism(512)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		v, w := newVisit("/wiki", header...), newSink()
		for p.Next() {
			if passed, err := w.serve(door, v.request(cookie)); err != nil || passed || w.status != 401 {
				b.Errorf("passed %v, error %v, status %d", passed, err, w.status)
				return
			}
		}
	})
}

// remember gives a door sessions that have been checked by nobody, each check of which
// is good for so long.
func remember(door *Handler, checkInterval time.Duration) {
	door.sessions = session.New(session.Options{
		Store:         store.Sealed(door.app.store, door.app.ring.Sealer("store")),
		Keys:          door.app.core.keys,
		Identities:    handlers.Identities{Directory: door.app.directory.Directory, Now: time.Now},
		CheckInterval: checkInterval,
	})
}

// benchmarkFirstSight measures the first request of each session.
func benchmarkFirstSight(b *testing.B, door *Handler, cookies []string) {
	v, w := newVisit("/wiki"), newSink()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(cookies) == 0 {
			remember(door, time.Hour)
		}
		if passed, err := w.serve(door, v.request(cookies[i%len(cookies)])); err != nil || !passed {
			b.Fatalf("passed %v, error %v, status %d", passed, err, w.status)
		}
	}
}

// newSink returns a response nobody reads.
func newSink() *sink { return &sink{header: make(http.Header)} }
