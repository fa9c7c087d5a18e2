package attacks

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/enumeration"
)

// A stranger is somebody of whom nobody must learn which kind they are.
type stranger struct{ what, id, address string }

// strangers makes one of each kind, of addresses of the same length.
func (s *Scene) strangers(n int) []stranger {
	s.T.Helper()
	named := func(kind, domain string) string { return fmt.Sprintf("%s%04d.%s@%s", kind, n, s.name, domain) }
	known, disabled, outside := s.Person(named("k", "example.test")), s.Person(named("d", "example.test")), s.Person(named("o", "example.tost"))
	s.Admin(s.T, "POST", "/doorward/users/"+disabled.ID+"/disable", nil)
	return []stranger{
		{"unknown", uuid.NewString(), named("u", "example.test")},
		{"known", known.ID, known.Address},
		{"disabled", disabled.ID, disabled.Address},
		{"not allowed, with an account", outside.ID, outside.Address},
		{"not allowed, without one", uuid.NewString(), named("n", "example.tost")},
	}
}

var chance = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z|[0-9a-f]{32}|[A-Z2-7]{26}|"challenge":"[^"]*"`)

// masked is an answer without what is random in it.
func masked(a Answer, about stranger) string {
	a.Header.Del("Date")
	a.Header.Del("X-Ratelimit-Reset")
	if a.Header.Get("Content-Length") == fmt.Sprint(len(a.Body)) {
		a.Header.Del("Content-Length") // a time that ends in 0 is shorter
	}
	text := strings.ReplaceAll(fmt.Sprintf("%d %v %s", a.Status, a.Header, a.Body), about.address, "[address]")
	return chance.ReplaceAllString(text, "[chance]")
}

// Who has an account shows in an answer (Hanko's show_account_existence_hints,
// CVE-2023-39522, CVE-2024-39912). The same of people of every kind; the whole of it,
// byte for byte and until budgets are spent, is in integration/enumeration.
func TestT87AnswersTellWhoHasAnAccount(t *testing.T) {
	s := Begin(t)
	s.inOneHour()
	asked := map[string]func(about stranger) []Answer{
		"a program": func(about stranger) []Answer {
			id, a := s.begin(A, map[string]string{"email": about.address})
			answers := []Answer{a}
			for _, code := range wrongFor("", 5) {
				answers = append(answers, s.Finalize(A, Proof{id, code}))
			}
			return answers
		},
		"by ID": func(about stranger) []Answer {
			id, a := s.begin(A, map[string]string{"user_id": about.id})
			return []Answer{a, s.Finalize(A, Proof{id, "000000"}), s.Post(A, "/doorward/webauthn/login/initialize", map[string]string{"user_id": about.id})}
		},
		"a page": func(about stranger) []Answer {
			begun := s.Form(A, "/doorward/login", "email="+about.address+"&return=%2F")
			cookies := cookiesOf(begun)
			return []Answer{
				begun, s.Get(A, "/doorward/login/passcode?sent=1&return=%2F", append(Page, cookies)...),
				s.Form(A, "/doorward/login/passcode", "passcode=abcdef", cookies), s.Form(A, "/doorward/login/passcode/again", "return=%2F", cookies),
			}
		},
		"sign-up and look-up": func(about stranger) []Answer {
			return []Answer{
				s.Post(A, "/doorward/users", map[string]string{"email": about.address}),
				s.Post(A, "/doorward/user", map[string]string{"email": about.address}),
			}
		},
	}
	for how, ask := range asked {
		var want []Answer
		all := s.strangers(len(how))
		for _, about := range all {
			s.Elsewhere() // with the budgets of a network that has spent nothing
			got := ask(about)
			if want == nil {
				want = got
			}
			for i := range got {
				if g, w := masked(got[i], about), masked(want[i], all[0]); g != w {
					t.Errorf("%s, %s:\n%s\nand %s:\n%s", how, about.what, g, all[0].what, w)
				}
			}
		}
	}
}

// Who has an account shows in the time that an answer takes (Authelia delays all by
// 250 ms). POST initialize about 40 of each kind in random order; integration/enumeration
// asks about 500, more kinds and more endpoints, and says how the bound is chosen.
func TestT88TimesTellWhoHasAnAccount(t *testing.T) {
	s := Begin(t)
	const each = 40
	type sample struct {
		kind int
		stranger
	}
	var all []sample
	for n := range each {
		for kind, about := range s.strangers(n)[:3] {
			all = append(all, sample{kind, about})
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	took := make([][]time.Duration, 3)
	for _, about := range all {
		s.Elsewhere()
		took[about.kind] = append(took[about.kind], s.clock(initialize, map[string]string{"email": about.address}))
	}
	for kind, what := range []string{"unknown", "known", "disabled"} {
		share, _ := enumeration.Slower(took[kind], took[0])
		t.Logf("%s: median %v, p95 %v, slower than unknown with probability %.2f", what,
			enumeration.Quantile(took[kind], 0.5), enumeration.Quantile(took[kind], 0.95), share)
		if math.Abs(share-0.5) > 0.35 {
			t.Errorf("the answer about somebody %s is slower than about somebody unknown with probability %.2f, which chance does not explain", what, share)
		}
	}
}

// clock returns how long the first byte of an answer takes, of a connection that is
// there already.
func (s *Scene) clock(target string, body any) time.Duration {
	s.T.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		s.T.Fatal(err)
	}
	conn := s.Dial(A)
	defer conn.Close()
	request := s.Request(A, "POST", target, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(content))) + string(content)
	began := time.Now()
	if _, err := io.WriteString(conn, request); err != nil {
		s.T.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	took := time.Since(began)
	if err != nil || !strings.Contains(line, " 200 ") {
		s.T.Fatalf("%s: %q, %v", target, line, err)
	}
	return took
}

// The options of a passkey login list the passkeys of whoever is named
// (CVE-2024-39912). POST webauthn/login/initialize with known and unknown people.
func TestT112PasskeysOfNamedPeopleAreListed(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	s.AddPasskey(A, alice)
	withPasskey := stranger{"with a passkey", alice.ID, alice.Address}
	unknown := stranger{"unknown", uuid.NewString(), "u" + alice.Address[1:]}
	bodies := []func(about stranger) any{
		func(stranger) any { return struct{}{} },
		func(about stranger) any { return map[string]string{"user_id": about.id} },
		func(about stranger) any { return map[string]string{"user_id": strings.ToUpper(about.id)} },
		func(about stranger) any { return map[string]string{"email": about.address, "username": about.address} },
		func(about stranger) any {
			return map[string]any{"user": map[string]string{"id": about.id, "name": about.address}, "userName": about.address}
		},
	}
	mallory := s.SignedIn("mallory")
	for _, path := range []string{"/doorward/webauthn/login/initialize", "/doorward/webauthn/authentication/initialize"} {
		for i, body := range bodies {
			for _, as := range []string{"Accept-Language: en", mallory.Cookie} {
				got := s.Post(A, path, body(withPasskey), as)
				want := s.Post(A, path, body(unknown), as)
				if g, w := masked(got, withPasskey), masked(want, unknown); g != w {
					t.Errorf("%s, body %d:\n%s\nand of nobody:\n%s", path, i, g, w)
				}
				if strings.Contains(got.Body, "allowCredentials") || got.Status != http.StatusOK {
					t.Errorf("%s, body %d: %v, want 200 and no list of passkeys", path, i, got)
				}
			}
		}
	}
	// The proof by a passkey that nobody has says the same whoever's user handle it
	// carries, hers included.
	proof := func(handle []byte) Answer {
		return s.SignInByPasskey(A, alice, func(a *authenticator.Answer) {
			a.CredentialID, a.UserHandle = []byte("a passkey that nobody has"), handle
		})
	}
	nobody := uuid.New()
	got, want := proof(alice.Key.Credentials[0].UserHandle), proof(nobody[:])
	s.shut("a passkey that nobody has", got)
	if g, w := masked(got, withPasskey), masked(want, unknown); g != w {
		t.Errorf("a passkey that nobody has, with her user handle:\n%s\nand with nobody's:\n%s", g, w)
	}
	if a := s.SignInByPasskey(A, alice); a.Status != http.StatusOK {
		t.Errorf("her own passkey: %v", a)
	}
}
