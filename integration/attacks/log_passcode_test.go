package attacks

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/logs"
)

// typed has a passcode sent by the pages to a new person, and returns it with the
// answer and the cookies to go on with.
func (s *Scene) typed(name string) (code string, sent Answer, cookies string) {
	s.T.Helper()
	p := s.Person(name)
	sent = s.Form(A, "/doorward/login", url.Values{"email": {p.Address}, "return": {"/wiki"}}.Encode())
	if sent.Status != http.StatusSeeOther {
		s.T.Fatalf("asking for a passcode: %v", sent)
	}
	letter, err := s.Mailbox.For(s.mailbox, p.Address)
	if err != nil {
		s.T.Fatal(err)
	}
	var pairs []string
	for _, c := range sent.Cookies {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	s.holdLetter(letter.Passcode(), letter.Text, letter.HTML)
	return letter.Passcode(), sent, "Cookie: " + strings.Join(pairs, "; ")
}

var link = regexp.MustCompile(`(?i)\bhttps?://[^\s"'<>]+|\b(?:href|src|action)\s*=\s*["'][^"']*["']`)

// holdLetter checks that no link of a letter has the passcode in it, or is one that
// signs in by being followed: the letter is to be typed from.
func (s *Scene) holdLetter(code, text, html string) {
	s.T.Helper()
	for _, l := range link.FindAllString(text+"\n"+html, -1) {
		if strings.Contains(l, code) || strings.Contains(l, "?") {
			s.T.Errorf("the letter has the link %s", l)
		}
	}
}

// The passcode is in the address of a page, from where it gets into histories, logs
// and the Referer of whatever the page loads; or following a link signs in.
func TestT79PasscodesAreInNoURL(t *testing.T) {
	s := Begin(t)
	code, sent, cookies := s.typed("ann")
	wrong := s.Form(A, "/doorward/login/passcode", "passcode=000000&return=/wiki", cookies)
	page := s.Get(A, sent.Header.Get("Location"), append(slices.Clone(Page), cookies)...)
	right := s.Form(A, "/doorward/login/passcode", "passcode="+code+"&return=/wiki", cookies)
	if right.Status != http.StatusSeeOther || right.Header.Get("Location") != "/wiki" {
		t.Fatalf("signing in: %v", right)
	}
	for _, a := range []Answer{sent, wrong, page, right} {
		if strings.Contains(a.Header.Get("Location"), code) {
			t.Errorf("%v leads to an address with the passcode", a)
		}
		if got := a.Header.Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
			t.Errorf("%v: Referrer-Policy %q lets other sites see where a visitor was", a, got)
		}
	}
	if strings.Contains(page.Body, "http-equiv") || !strings.Contains(page.Body, `method="post"`) {
		t.Errorf("the form is not sent as a body:\n%s", page.Body)
	}
	if found := logs.NewSearch([]logs.Secret{{Kind: logs.Passcode, Value: code}}).Log([]byte(s.Log())); len(found) > 0 {
		t.Errorf("the passcode is in the log: %v", found)
	}

	// One step aside: an address that somebody else made up, with the right code in it.
	code, _, cookies = s.typed("bob")
	logs.Seen.GiveAway(code)
	for _, target := range []string{
		"/doorward/login/passcode?passcode=" + code, "/doorward/login/passcode?code=" + code + "&return=/wiki",
		"/doorward/login/passcode/" + code, "/doorward/passcode/login/finalize?code=" + code,
	} {
		for _, a := range []Answer{s.Get(A, target, append(slices.Clone(Page), cookies)...), s.Form(A, target, "return=/wiki", cookies)} {
			if a.Cookie("__Host-doorward") != "" {
				t.Errorf("%v signs in", a)
			}
			if strings.Contains(a.Body+a.Header.Get("Location"), code) {
				t.Errorf("%v repeats the passcode", a)
			}
		}
	}
	if a := s.Form(A, "/doorward/login/passcode", "passcode="+code, cookies); a.Cookie("__Host-doorward") == "" {
		t.Errorf("the passcode is spent by a link: %v", a)
	}
}

// Whoever asked for a passcode reads it somewhere: in an answer, a header, a cookie,
// at the metrics or, at debug level, in the log.
func TestT86PasscodesAreNowhereButInTheLetter(t *testing.T) {
	s := metered().Begin(t)
	var codes []string
	for _, name := range []string{"ann", "bob"} {
		code, sent, cookies := s.typed(name)
		s.Get(A, sent.Header.Get("Location"), append(slices.Clone(Page), cookies)...)
		s.Form(A, "/doorward/login/passcode", "passcode=000000", cookies)
		s.Form(A, "/doorward/login/passcode/again", "return=/", cookies)
		codes = append(codes, code)
	}
	p := s.Person("eve")
	proof := s.Passcode(A, p.Address)
	codes = append(codes, proof.Code)
	for _, guess := range []string{"000000", "", "x", strings.Repeat("0", 7)} {
		s.Finalize(A, Proof{proof.ID, guess})
	}
	s.Post(A, "/doorward/passcode/login/finalize", `{"id":"`+proof.ID+`","code":`, "Content-Type: application/json")
	logs.Seen.GiveAway(proof.ID) // whose path Caddy logs
	s.Get(A, "/doorward/passcode/"+proof.ID)

	var secrets []logs.Secret
	for _, code := range codes {
		secrets = append(secrets, logs.Secret{Kind: logs.Passcode, Value: code})
	}
	search := logs.NewSearch(secrets)
	for _, a := range s.answers {
		text := fmt.Sprint(a.Target, "\n", a.Body)
		for name, values := range a.Header {
			text += "\n" + name + ": " + strings.Join(values, "\n")
		}
		for _, c := range a.Cookies { // as it is, or written in another way
			for _, part := range strings.Split(c.Value, ".") {
				if plain, err := base64.RawURLEncoding.DecodeString(part); err == nil {
					text += "\n" + string(plain)
				}
			}
		}
		if found := search.Log([]byte(text)); len(found) > 0 {
			t.Errorf("%s%s has a passcode: %v", a.Site, a.Target, found)
		}
	}
	for name, text := range map[string]string{"the log": s.Log(), "the metrics": s.metrics()} {
		if found := search.Log([]byte(text)); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
	if !strings.Contains(s.Log(), `"logger":"http.log.access`) || !strings.Contains(s.metrics(), "caddy_http_requests_total") {
		t.Error("there is no access log, or no metrics, to look into")
	}
}
