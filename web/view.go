package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A view is what a template sees: the page, the site around it, and the
// language. An error of a method stops the rendering.
type view struct {
	*Pages
	words *catalogue
	Page  Page
}

// A moment is a time for people and for machines.
type moment struct{ Text, ISO string }

// Lang is the language of the page, for the lang attribute.
func (v *view) Lang() string { return v.words.tag.String() }

// Path is where our endpoints live.
func (v *view) Path() string { return v.path }

// Name is the name of the site.
func (v *view) Name() string { return v.name }

// Logo is the address of the logo.
func (v *view) Logo() string { return v.logo }

// File is the address of one of our static files.
func (v *view) File(name string) (string, error) {
	if s := v.StaticPath(name); s != "" {
		return s, nil
	}
	return "", fmt.Errorf("no static file %q", name)
}

// T is the text under key; pairs fill its placeholders.
func (v *view) T(key string, pairs ...any) (string, error) { return v.words.text(key, pairs...) }

// Target is s where a page may link to it, and otherwise empty.
func (v *view) Target(s string) string { return v.target(s) }

// Prove is where people who are signed in sign in once more, and from where
// they then go to s.
func (v *view) Prove(s string) string {
	return v.path + "/login?" + url.Values{"return": {v.target(s)}, "fresh": {"1"}}.Encode()
}

// Tell is the sentence for a problem.
func (v *view) Tell(p Problem) (string, error) { return v.words.choose("problem", string(p)) }

// Confirm is the sentence for a notice.
func (v *view) Confirm(n Notice) (string, error) { return v.words.choose("notice", string(n)) }

// Heading is what an error page about p is headed with.
func (v *view) Heading(p Problem) (string, error) { return v.words.choose("heading", string(p)) }

// Explain is what to do about a redirect loop.
func (v *view) Explain(c LoopCause) (string, error) { return v.words.choose("loop", string(c)) }

// LoopCauses is every cause of a loop.
func (v *view) LoopCauses() []LoopCause { return []LoopCause{LoopCookies, LoopClock, LoopHost} }

// Time is t in words, to the minute.
func (v *view) Time(t time.Time) (moment, error) { return v.moment("time", t) }

// Day is t in words, to the day.
func (v *view) Day(t time.Time) (moment, error) { return v.moment("day", t) }

func (v *view) moment(layout string, t time.Time) (moment, error) {
	text, err := v.words.date(layout, t)
	return moment{text, t.UTC().Format("2006-01-02T15:04:05Z")}, err
}

// Duration is d in whole minutes, or in seconds if it is none. The symbols min
// and s are international, and have no plural to get wrong.
func (v *view) Duration(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d\u00a0min", d/time.Minute)
	}
	return fmt.Sprintf("%d\u00a0s", d/time.Second)
}

// Methods says in words how a session was signed in. Methods that people have
// no word for, such as the test of user presence, are left out.
func (v *view) Methods(amr []string) (string, error) {
	var said []string
	for _, m := range amr {
		switch m {
		case "otp":
			m = "method.passcode"
		case "pop", "hwk", "swk":
			m = "method.passkey"
		case "pwd":
			m = "method.password"
		default:
			continue
		}
		s, err := v.T(m)
		if err != nil {
			return "", err
		}
		if !slices.Contains(said, s) {
			said = append(said, s)
		}
	}
	return strings.Join(said, ", "), nil
}

// Join is list separated by single spaces, for a data attribute.
func (v *view) Join(list []string) string { return strings.Join(list, " ") }
