package session_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

// spellings are ways in which a client writes a header that reaches some app as
// X-Auth-Token.
var spellings = []string{
	"X-Auth-Token", "x-auth-token", "X-AUTH-TOKEN", "X_Auth_Token", "x_auth_token", "X_AUTH-TOKEN", "X-Auth_Token",
	"X.Auth.Token", "X.Auth-Token", "x.auth_token", "X-Auth Token", "X~Auth!Token", "x+auth*token", "X'Auth`Token",
}

// appsOwn are headers that look a little like ours, and are the app's.
var appsOwn = []string{
	"X-Auth-Tokens", "X-Auth-Toke", "XX-Auth-Token", "X--Auth-Token", "XAuthToken", "X-Auth-Token-", "-X-Auth-Token",
	"X-Auth-Tok\u0435n", "Remote", "Remote-Userx", "Remote-Addr", "Accept", "Cookie", "Authorization", "X-Requested-With",
}

func TestEverySpellingOfAnIdentityHeaderIsStripped(t *testing.T) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	for _, name := range spellings {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header[name] = []string{"evil", "eviller"}
		r.Header["Accept"] = []string{"text/html"}
		ih.Strip(r)
		if _, ok := r.Header[name]; ok || len(r.Header) != 1 {
			t.Errorf("%q: left %v, want Accept alone", name, r.Header)
		}
	}
	all := httptest.NewRequest("GET", "/", nil)
	for _, name := range append(slices.Clone(spellings), "Remote-User", "remote_email", "REMOTE.NAME", "Remote_groups") {
		all.Header[name] = []string{"evil"}
	}
	ih.Strip(all)
	if len(all.Header) != 0 {
		t.Errorf("all at once: left %v, want none", all.Header)
	}
}

func TestHeadersOfTheAppAreLeftAlone(t *testing.T) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	r := httptest.NewRequest("GET", "/", nil)
	for _, name := range appsOwn {
		r.Header[name] = []string{name}
	}
	r.Header["Connection"] = []string{"keep-alive, X-Auth-Tokens"}
	ih.Strip(r)
	for _, name := range append(slices.Clone(appsOwn), "Connection") {
		if _, ok := r.Header[name]; !ok {
			t.Errorf("%s was stripped", name)
		}
	}
	if got := r.Header.Get("Connection"); got != "keep-alive, X-Auth-Tokens" {
		t.Errorf("Connection = %q, want it as it was", got)
	}
}

func TestConfiguredNamesAndTheDefaultOnesAreStripped(t *testing.T) {
	for name, names := range map[string]session.Headers{
		"renamed": {Token: "x-forwarded-jwt", User: "X_Login", Email: "X-Mail", Name: "X.Who", Groups: "X-Roles"},
		"off":     {},
	} {
		ih := session.NewIdentityHeaders(names)
		r := httptest.NewRequest("GET", "/", nil)
		sent := []string{"X-Auth-Token", "Remote_User", "Remote-Email", "remote.name", "Remote-Groups"}
		if name == "renamed" {
			sent = append(sent, "X-Forwarded-Jwt", "X-Forwarded_JWT", "X-Login", "x_mail", "X-Who", "X.Roles")
		}
		for _, header := range sent {
			r.Header[header] = []string{"evil"}
		}
		ih.Strip(r)
		if len(r.Header) != 0 {
			t.Errorf("%s: left %v, want none", name, r.Header)
		}
	}
}

func TestOurNamesAreTakenOutOfConnection(t *testing.T) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	for name, test := range map[string]struct{ lines, want []string }{
		"alone":             {[]string{"X-Auth-Token"}, nil},
		"in small letters":  {[]string{"x-auth-token, remote-user"}, nil},
		"with close":        {[]string{"close, X-Auth-Token"}, []string{"close"}},
		"with keep-alive":   {[]string{"X-Auth-Token,keep-alive"}, []string{"keep-alive"}},
		"with upgrade":      {[]string{"Remote-User, Upgrade, X-Auth-Token"}, []string{"Upgrade"}},
		"with the app's":    {[]string{"X-App, Remote-Groups, TE"}, []string{"X-App, TE"}},
		"with odd spaces":   {[]string{"\tX-Auth-Token\t, close ,  Remote-Email "}, []string{"close"}},
		"aliases":           {[]string{"X_Auth_Token, close, remote.user"}, []string{"close"}},
		"on several lines":  {[]string{"close", "X-Auth-Token", "Upgrade, Remote-Name"}, []string{"close", "Upgrade"}},
		"empty elements":    {[]string{",,X-Auth-Token,,"}, []string{",,,"}},
		"none of ours":      {[]string{"close,  TE ,", "Upgrade"}, []string{"close,  TE ,", "Upgrade"}},
		"no value":          {[]string{""}, []string{""}},
		"longer than ours":  {[]string{"X-Auth-Token-2"}, []string{"X-Auth-Token-2"}},
		"the same one more": {[]string{"X-Auth-Token, X-Auth-Token", "X-Auth-Token"}, nil},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		lines := slices.Clone(test.lines)
		r.Header["Connection"] = lines
		ih.Strip(r)
		if got := r.Header["Connection"]; !slices.Equal(got, test.want) {
			t.Errorf("%s: Connection = %q, want %q", name, got, test.want)
		}
		if _, ok := r.Header["Connection"]; ok && test.want == nil {
			t.Errorf("%s: an empty Connection is left", name)
		}
		if !slices.Equal(lines, test.lines) {
			t.Errorf("%s: Strip wrote into the request's slice: %q", name, lines)
		}
	}
}

func visitor() *session.Visitor {
	return &session.Visitor{Identity: session.Identity{
		Subject: "u1", Name: "Ann Example", Email: "ann@example.com", Groups: []string{"admins", "staff"},
	}}
}

func TestSetGivesEachHeaderOneValue(t *testing.T) {
	for name, test := range map[string]struct {
		names session.Headers
		v     *session.Visitor
		want  http.Header
	}{
		"default": {session.DefaultHeaders, visitor(), http.Header{
			"X-Auth-Token": {"assertion"}, "Remote-User": {"ann@example.com"}, "Remote-Email": {"ann@example.com"},
			"Remote-Name": {"Ann Example"}, "Remote-Groups": {"admins,staff"},
		}},
		"nothing known": {session.DefaultHeaders, &session.Visitor{}, http.Header{"X-Auth-Token": {"assertion"}}},
		"no name, no groups": {
			session.DefaultHeaders,
			&session.Visitor{Identity: session.Identity{Email: "bob@example.com"}},
			http.Header{
				"X-Auth-Token": {"assertion"}, "Remote-User": {"bob@example.com"}, "Remote-Email": {"bob@example.com"},
				"Remote-Name": {"bob@example.com"},
			},
		},
		"renamed, some off": {session.Headers{User: "x-webauth-user", Groups: "X-Roles"}, visitor(), http.Header{
			"X-Webauth-User": {"ann@example.com"}, "X-Roles": {"admins,staff"},
		}},
		"all off": {session.Headers{}, visitor(), http.Header{}},
	} {
		got := http.Header{}
		session.NewIdentityHeaders(test.names).Set(got, test.v, "assertion")
		if len(got) != len(test.want) {
			t.Errorf("%s: headers = %v, want %v", name, got, test.want)
		}
		for header, want := range test.want {
			if !slices.Equal(got[header], want) {
				t.Errorf("%s: %s = %q, want %q", name, header, got[header], want)
			}
		}
	}
}

// What the client sent for a header that we leave out is gone all the same.
func TestEmptyHeaderDoesNotLetTheClientsThrough(t *testing.T) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Remote-Groups", "admins")
	r.Header.Set("Remote_Groups", "admins")
	ih.Strip(r)
	v := visitor()
	v.Identity.Groups = nil
	ih.Set(r.Header, v, "assertion")
	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, ","), "admins") {
			t.Errorf("%s = %q, want no group of the client's", name, values)
		}
	}
}

// A handler behind us may change a header where it stands. It must change neither
// another header, nor another request of the same visitor.
func TestHeadersOfOneRequestAreNotAnothers(t *testing.T) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	v := visitor()
	first, second := http.Header{}, http.Header{}
	ih.Set(first, v, "assertion")
	ih.Set(second, v, "assertion")
	want := second.Clone()
	for name := range first {
		first[name][0] = "changed"
		first[name] = append(first[name], "appended")
	}
	for name, values := range second {
		if !slices.Equal(values, want[name]) {
			t.Errorf("%s of the second request = %q, want %q", name, values, want[name])
		}
	}
	for name, values := range first {
		if want := []string{"changed", "appended"}; !slices.Equal(values, want) {
			t.Errorf("%s of the first request = %q, want %q", name, values, want)
		}
	}
	third := http.Header{}
	ih.Set(third, v, "assertion")
	third.Add("Remote-User", "appended")
	if got := third.Get("Remote-Email"); got != "ann@example.com" {
		t.Errorf("Remote-Email after something was appended to Remote-User = %q, want the address", got)
	}
}

// FuzzStrip: no header is left that folds to one of our names, however the names
// are configured, and none that does not is lost; nor does Connection name ours.
func FuzzStrip(f *testing.F) {
	for _, name := range append(slices.Clone(spellings), appsOwn...) {
		f.Add(name, "X-Custom-User", "close, "+name)
		f.Add("x_custom.user", "X-Custom-User", "x-custom-user,,"+name)
	}
	f.Fuzz(func(t *testing.T, name, configured, options string) {
		names := session.DefaultHeaders
		names.User = configured
		ih := session.NewIdentityHeaders(names)
		taken := map[string]bool{naiveFold(configured): configured != ""}
		for _, n := range []string{"x-auth-token", "remote-user", "remote-email", "remote-name", "remote-groups"} {
			taken[n] = true
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header[name] = []string{"evil"}
		if name != "Connection" {
			r.Header["Connection"] = []string{options}
		}
		ih.Strip(r)
		if _, left := r.Header[name]; name != "Connection" && left == taken[naiveFold(name)] {
			t.Errorf("header %q with %q configured: left is %v, want %v", name, configured, left, !left)
		}
		for _, line := range r.Header["Connection"] {
			for option := range strings.SplitSeq(line, ",") {
				if option = strings.TrimSpace(option); taken[naiveFold(option)] {
					t.Errorf("Connection: %q still names %q", line, option)
				}
			}
		}
	})
}

// naiveFold is what the least careful of app servers does to a header's name.
func naiveFold(name string) string {
	var folded strings.Builder
	for _, c := range []byte(name) {
		switch {
		case strings.Contains("ABCDEFGHIJKLMNOPQRSTUVWXYZ", string(rune(c))):
			c += 'a' - 'A'
		case !strings.Contains("abcdefghijklmnopqrstuvwxyz0123456789", string(rune(c))):
			c = '-'
		}
		folded.WriteByte(c)
	}
	return folded.String()
}
