package attacks

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// tenDigits are enough that no number of a log, or of a file, is one by chance.
var tenDigits = regexp.MustCompile(`\b[0-9]{10}\b`)

// A passcode leaks where somebody else can read it: answers, cookies, logs, metrics,
// files. Everything that the gateway says and keeps, at debug level.
func TestT86PasscodeLeaks(t *testing.T) {
	s := Build(t, Plan{
		Global:   "metrics",
		Doorward: "passcode {\n\t\t\tdigits 10\n\t\t}",
	}).Begin(t)
	alice := s.Person("alice")
	known := map[string]string{} // what must be nowhere, by what it is
	note := func(what, address string) string {
		t.Helper()
		letter, err := s.Mailbox.For(s.mailbox, address)
		if err != nil {
			t.Fatal(err)
		}
		code := tenDigits.FindString(letter.Text)
		if code == "" {
			t.Fatalf("a letter without a passcode of ten digits:\n%s", letter.Text)
		}
		known[what] = code
		return code
	}

	// One that is used, by a program; one that is mistyped, and used, in the form; one
	// that is never used; one for an address that is added.
	id, _ := s.begin(A, map[string]string{"email": alice.Address})
	signedIn := s.Finalize(A, Proof{id, note("of a program", alice.Address)})
	if signedIn.Status != http.StatusOK {
		t.Fatal(signedIn)
	}
	s.adopt(alice, signedIn)
	begun := s.Form(A, "/doorward/login", "email="+alice.Address+"&return=%2F")
	code := note("of the page", alice.Address)
	s.Form(A, "/doorward/login/passcode", "passcode="+code[1:]+code[:1], cookiesOf(begun))
	if a := s.Form(A, "/doorward/login/passcode", "passcode="+code, cookiesOf(begun)); a.Status != http.StatusSeeOther {
		t.Fatal(a)
	}
	s.begin(A, map[string]string{"email": alice.Address})
	note("that is never used", alice.Address)
	var added struct{ ID string }
	other := "other." + alice.Address
	s.Post(A, "/doorward/emails", map[string]string{"address": other}, alice.Bearer).JSON(t, &added)
	s.Post(A, initialize, map[string]string{"user_id": alice.ID, "email_id": added.ID}, alice.Bearer)
	note("for an address that is added", other)
	// One that is sent to the wrong place: in a path, a query, a header, a broken body.
	begunID, _ := s.begin(A, map[string]string{"email": alice.Address})
	code = note("in the wrong place", alice.Address)
	s.Post(A, finalize, `{"id":"`+begunID+`","code":"`+code+`"`, "Content-Type: application/json")
	s.Post(A, finalize, `{"id":"`+begunID+`","code":`+code+`}`, "Content-Type: application/json")
	s.Post(A, finalize, `id=`+begunID+`&code=`+code, "Content-Type: application/x-www-form-urlencoded")

	token := alice.Token[strings.LastIndexByte(alice.Token, '.')+1:]
	for what, code := range known {
		if where := s.leaks(code); where != "" {
			t.Errorf("the passcode %s is in %s", what, where)
		}
	}
	if where := s.leaksOutside(token); where != "" {
		t.Errorf("the session token is in %s", where)
	}
	if s.leaks(alice.ID) == "" {
		t.Error("the user's ID, which is no secret, is found nowhere: nothing was searched")
	}
	for _, line := range []string{`"level":"debug"`, `"logger":"http.log.access`} {
		if !strings.Contains(s.Log(), line) {
			t.Errorf("the log has no %s: not all of it was searched", line)
		}
	}
}

// leaks returns where something stands that is for the mailbox alone, or "".
func (s *Scene) leaks(text string) string {
	for _, a := range s.answers {
		if strings.Contains(a.String()+a.Body, text) {
			return "the answer of " + a.Target
		}
		for name, values := range a.Header {
			if strings.Contains(strings.Join(values, "\n"), text) {
				return name + " of the answer of " + a.Target
			}
		}
	}
	return s.leaksOutside(text)
}

// leaksOutside is leaks for what the client may know.
func (s *Scene) leaksOutside(text string) string {
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, text) {
			return "the log: " + strings.ReplaceAll(line, text, "[it]")
		}
	}
	for _, path := range []string{"/metrics", "/config/", "/debug/vars", "/doorward/audit", "/doorward/users"} {
		response, err := (&http.Client{Timeout: 20 * time.Second}).Get("http://" + s.Gateway.AdminAddr + path)
		if err != nil {
			s.T.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if strings.Contains(string(body), text) {
			return "the admin endpoint " + path
		}
	}
	var found string
	err := filepath.WalkDir(s.Gateway.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) { // SQLite's files come and go
			return nil
		}
		if err == nil && strings.Contains(string(content), text) {
			found = "the file " + filepath.Base(path)
		}
		return err
	})
	if err != nil {
		s.T.Fatal(err)
	}
	return found
}

// What a mailed link leads to is fetched by a scanner before its reader does (supabase
// #1214, FusionAuth #629: some also POST). GET, HEAD and POST of every URL of a letter.
func TestT93LinksOfLettersAreFetchedByScanners(t *testing.T) {
	s := Begin(t)
	alice := s.Person("alice")
	begun := s.Form(A, "/doorward/login", "email="+alice.Address+"&return=%2F")
	letter, err := s.Mailbox.For(s.mailbox, alice.Address)
	if err != nil {
		t.Fatal(err)
	}
	// A letter with a passcode has no link that could be followed at all.
	links := regexp.MustCompile(`(?i)\b(https?:|href|action=|src=)`)
	for part, text := range map[string]string{"text": letter.Text, "HTML": letter.HTML} {
		if link := links.FindString(text); link != "" {
			t.Errorf("the %s of a letter with a passcode has %q", part, link)
		}
	}
	// Nor does what a scanner may guess spend it: the pages, and the endpoint, with the
	// passcode of another letter in the address. If it were taken from there, it would be
	// counted, and after three the ceremony were over.
	code := letter.Passcode()
	other := wrongFor(code, 1)[0]
	program := s.Passcode(A, alice.Address)
	for _, target := range []string{
		"/doorward/login/passcode", "/doorward/login/passcode?passcode=" + other, "/doorward/login?passcode=" + other,
		finalize + "?code=" + other, "/?passcode=" + other,
	} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			for _, cookies := range []string{"Accept-Language: en", cookiesOf(begun)} { // in the same browser, too
				s.shutCookie(target, s.Send(A, s.Request(A, method, target, Page[0], "User-Agent: Mail-Scanner/1.0", cookies)))
			}
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		body := fmt.Sprintf(`{"id":%q,"code":%q}`, program.ID, other)
		s.shutCookie(method, s.Send(A, s.Request(A, method, finalize, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))+body))
	}
	if a := s.Form(A, "/doorward/login/passcode", "passcode="+code, cookiesOf(begun)); a.Status != http.StatusSeeOther || a.Cookie("__Host-doorward") == "" {
		t.Errorf("the passcode after the scanner: %v, want signed in", a)
	}

	if a := s.Finalize(A, program); a.Status != http.StatusOK {
		t.Errorf("the passcode of a program after the scanner: %v", a)
	}

	// The letters that do have a link, about what was changed, change nothing by it.
	s.SignIn(A, alice)
	s.AddPasskey(A, alice)
	notice, err := s.Mailbox.For(s.mailbox, alice.Address)
	if err != nil {
		t.Fatal(err)
	}
	urls := regexp.MustCompile(`https://[^\s"<>)]+`).FindAllString(notice.Text+notice.HTML, -1)
	if len(urls) == 0 {
		t.Error("a letter about a new passkey has no link: nothing was tried")
	}
	for _, url := range urls {
		target, ours := strings.CutPrefix(url, s.Origin(A))
		if !ours {
			t.Errorf("a letter links to %s, want to %s", url, s.Origin(A))
			continue
		}
		for _, method := range []string{"GET", "HEAD", "POST"} {
			s.shutCookie(target, s.Send(A, s.Request(A, method, target, Page...)))
		}
	}
	if a := s.SignInByPasskey(A, alice); a.Status != http.StatusOK {
		t.Errorf("the passkey after the scanner: %v", a)
	}
}

// shutCookie fails the test if an answer hands out a session.
func (s *Scene) shutCookie(what string, a Answer) {
	s.T.Helper()
	if a.Cookie("__Host-doorward") != "" {
		s.T.Errorf("%s signed somebody in: %v", what, a)
	}
}
