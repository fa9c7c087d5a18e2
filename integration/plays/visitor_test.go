package plays

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doorward/doorward/integration/logs"
)

// as name ['Header: value'...]: somebody else acts, with these header fields in
// all their requests.
func (s *stage) doAs(_ *testscript.TestScript, args []string) error {
	header, rest := fields(args[1:])
	if len(rest) > 0 {
		return fmt.Errorf("%q is not a header field", rest)
	}
	s.enter(args[0], header)
	return nil
}

// visit path ['Header: value'...]: opens a page as a person's browser does.
func (s *stage) doVisit(_ *testscript.TestScript, args []string) error {
	header, _ := fields(args[1:])
	s.send("GET", args[0], "", append(navigation("none"), header...))
	return nil
}

// follow: goes where the last answer redirects to.
func (s *stage) doFollow(ts *testscript.TestScript, _ []string) error {
	target := s.answer.Header.Get("Location")
	if s.answer.Status/100 != 3 || target == "" {
		return fmt.Errorf("status %d redirects nowhere", s.answer.Status)
	}
	s.send("GET", target, "", navigation("same-origin"))
	return nil
}

// submit path field=value...: sends a form of one of the site's own pages.
func (s *stage) doSubmit(_ *testscript.TestScript, args []string) error {
	form := url.Values{}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		form.Add(name, value)
	}
	s.send("POST", args[0], form.Encode(), append(navigation("same-origin"),
		"Origin", s.gateway.URL, "Content-Type", "application/x-www-form-urlencoded"))
	return nil
}

// http method path ['Header: value'...] [body]: sends just this.
func (s *stage) doHTTP(_ *testscript.TestScript, args []string) error {
	header, rest := fields(args[2:])
	body := strings.Join(rest, "")
	if strings.HasPrefix(body, "{") {
		header = append(header, "Content-Type", "application/json")
	}
	if _, token, ok := strings.Cut(args[1], "access_token="); ok {
		logs.Seen.GiveAway(token) // which Caddy logs as it logs every query
	}
	s.send(args[0], args[1], body, header)
	return nil
}

func navigation(site string) []string {
	return []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", site}
}

func (s *stage) send(method, path, body string, header []string) {
	s.app.Forget()
	s.answer = s.who.Do(method, path, body, append(slices.Clone(s.who.header), header...)...)
}

var field = regexp.MustCompile(`^([A-Za-z0-9-]+): (.*)$`)

// fields takes the arguments that are header fields out of args.
func fields(args []string) (header, rest []string) {
	for _, arg := range args {
		if m := field.FindStringSubmatch(arg); m != nil {
			header = append(header, m[1], m[2])
		} else {
			rest = append(rest, arg)
		}
	}
	return header, rest
}

// lose cookie | cookies: the browser has lost a cookie, or all.
func (s *stage) doLose(_ *testscript.TestScript, args []string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	base, err := url.Parse(s.gateway.URL)
	if err != nil {
		return err
	}
	had := s.who.HTTP.Jar.Cookies(base)
	kept := slices.DeleteFunc(slices.Clone(had), func(c *http.Cookie) bool { return args[0] == "cookies" || c.Name == args[0] })
	if len(kept) == len(had) {
		return fmt.Errorf("there is no cookie %s to lose", args[0])
	}
	jar.SetCookies(base, kept)
	s.who.HTTP.Jar = jar
	return nil
}

// token: sets $token to the visitor's session token.
func (s *stage) doToken(ts *testscript.TestScript, _ []string) error {
	token := s.who.Cookie("doorward")
	if token == "" {
		return fmt.Errorf("the visitor is not signed in")
	}
	ts.Setenv("token", token)
	return nil
}

// ceremony: sets $ceremony to the ID of the ceremony that the last answer began.
func (s *stage) doCeremony(ts *testscript.TestScript, _ []string) error {
	var begun struct{ ID string }
	if err := s.answer.JSON(&begun); err != nil || begun.ID == "" {
		return fmt.Errorf("no ceremony in %q", s.answer.Body)
	}
	ts.Setenv("ceremony", begun.ID)
	return nil
}

// current: sets $current to the ID of the visitor's own session, of those that
// the last answer lists.
func (s *stage) doCurrent(ts *testscript.TestScript, _ []string) error {
	var listed []struct {
		ID      string
		Current bool
	}
	if err := s.answer.JSON(&listed); err != nil {
		return err
	}
	for _, l := range listed {
		if l.Current {
			ts.Setenv("current", l.ID)
			return nil
		}
	}
	return fmt.Errorf("no current session in %q", s.answer.Body)
}

// told: sets $assertion to what the app was last told of the visitor.
func (s *stage) doTold(ts *testscript.TestScript, _ []string) error {
	requests := s.app.Requests()
	if len(requests) == 0 {
		return fmt.Errorf("nothing reached the app")
	}
	ts.Setenv("assertion", requests[len(requests)-1].Header.Get("X-Auth-Token"))
	return nil
}
