package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/doorward/doorward/integration/testbed"
)

// A keyServer publishes the key of a site that has no gateway: it counts how often
// it is asked, and can be made to fail. Its tokens are the test's own.
type keyServer struct {
	*httptest.Server
	key   jwk.Key
	set   []byte // the JSON of the public key set
	fails atomic.Bool

	served, refused atomic.Int64
}

func startKeyServer(t *testing.T) *keyServer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &keyServer{}
	if s.key, err = jwk.FromRaw(private); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{jwk.KeyIDKey: "known", jwk.AlgorithmKey: jwa.ES256, jwk.KeyUsageKey: jwk.ForSignature} {
		if err := s.key.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	public, err := s.key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if s.set, err = json.Marshal(map[string]any{"keys": []jwk.Key{public}}); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serveKeys))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) serveKeys(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/doorward/.well-known/jwks.json":
		http.NotFound(w, r)
	case s.fails.Load():
		s.refused.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable) // as a gateway that starts
	default:
		s.served.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.set)
	}
}

// assertion returns one that is right, if the site has a key of that ID.
func (s *keyServer) assertion(t *testing.T, kid string) string {
	t.Helper()
	now := time.Now()
	const empty = "e30" // {}
	return signed(t, s.key, jwa.ES256,
		changed(t, empty, map[string]any{"typ": "doorward-assertion+jwt", "alg": "ES256", "kid": kid}),
		changed(t, empty, map[string]any{
			"iss": s.URL + "/doorward", "aud": []string{s.URL}, "sub": "ann", "sid": "s1",
			"email": "ann@example.com", "email_verified": true, "groups": []string{},
			"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		}))
}

// forEachProgram runs a test of each documented program, behind keys of its own.
func forEachProgram(t *testing.T, test func(t *testing.T, keys *keyServer, port int)) {
	t.Helper()
	programs := documented(t)
	for _, l := range languages {
		if !l.runs() {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			keys, port := startKeyServer(t), testbed.FreePort(t)
			l.run(t, programs[l.name], keys.URL, "ES256", port)
			test(t, keys, port)
		})
	}
}

// Whoever reaches an app can make up key IDs, and the app is not to pass each of
// them on as a request to the gateway.
func TestDocumentedProgramsDoNotFetchTheKeysForEachUnknownOne(t *testing.T) {
	t.Parallel()
	forEachProgram(t, func(t *testing.T, keys *keyServer, port int) {
		began := time.Now()
		good := keys.assertion(t, "known")
		wantClaims(t, "with the key", around(t, port, good), good)
		for i := range 20 {
			kid := fmt.Sprintf("unknown%d", i)
			if got := around(t, port, keys.assertion(t, kid)); got.Status != http.StatusUnauthorized {
				t.Errorf("with the key %s: got status %d and %q, want 401", kid, got.Status, got.Body)
			}
		}
		wantClaims(t, "with the key, after all of them", around(t, port, good), good)
		atMost := 2 * (1 + int64(time.Since(began)/(30*time.Second)))
		if got := keys.served.Load(); got < 1 || got > atMost {
			t.Errorf("the keys were fetched %d times, want once, or %d times at most", got, atMost)
		}
	})
}

// An app that cannot ask does not know that a token is bad, nor does it forget the
// keys that it has.
func TestDocumentedProgramsKeepTheirKeysWhenTheyCannotFetchNewOnes(t *testing.T) {
	t.Parallel()
	forEachProgram(t, func(t *testing.T, keys *keyServer, port int) {
		good, unknown := keys.assertion(t, "known"), keys.assertion(t, "unknown")
		wantClaims(t, "with the key", around(t, port, good), good)
		keys.fails.Store(true)
		// It does not ask again at once. When it does, the answer depends on it.
		testbed.Eventually(t, time.Minute, "the program to ask for the keys again", func() bool {
			before := keys.refused.Load()
			got := around(t, port, unknown)
			asked := keys.refused.Load() > before
			want := http.StatusUnauthorized
			if asked {
				want = http.StatusServiceUnavailable
			}
			if got.Status != want {
				t.Fatalf("with an unknown key, when the keys were asked for in vain is %t: got status %d, want %d", asked, got.Status, want)
			}
			return asked
		})
		wantClaims(t, "with the key, while no keys can be fetched", around(t, port, good), good)
		keys.fails.Store(false)
		if got := around(t, port, unknown); got.Status != http.StatusUnauthorized {
			t.Errorf("with an unknown key, when the keys can be fetched again: got status %d and %q, want 401", got.Status, got.Body)
		}
		wantClaims(t, "with the key, when the keys can be fetched again", around(t, port, good), good)
	})
}

func TestDocumentedProgramsWaitForAGatewayThatStarts(t *testing.T) {
	t.Parallel()
	forEachProgram(t, func(t *testing.T, keys *keyServer, port int) {
		keys.fails.Store(true)
		good := keys.assertion(t, "known")
		for range 5 {
			if got := around(t, port, good); got.Status != http.StatusServiceUnavailable {
				t.Errorf("without keys: got status %d and %q, want 503", got.Status, got.Body)
			}
		}
		keys.fails.Store(false)
		testbed.Eventually(t, time.Minute, "the program to let somebody in", func() bool {
			return around(t, port, good).Status == http.StatusOK
		})
		wantClaims(t, "with keys", around(t, port, good), good)
	})
}
