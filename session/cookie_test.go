package session_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

func TestCookiesHaveTheirFlags(t *testing.T) {
	https, http := session.NewCookie("", true), session.NewCookie("", false)
	for name, test := range map[string]struct {
		set  func(w *httptest.ResponseRecorder)
		want string
	}{
		"session": {
			func(w *httptest.ResponseRecorder) { https.Set(w, "to.ke.n", 12*time.Hour) },
			"__Host-doorward=to.ke.n; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax",
		},
		"session taken back": {
			func(w *httptest.ResponseRecorder) { https.Clear(w) },
			"__Host-doorward=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		},
		"beside it": {
			func(w *httptest.ResponseRecorder) { https.SetBeside(w, "begun", "x", 5*time.Minute) },
			"__Host-doorward-begun=x; Path=/; Max-Age=300; HttpOnly; Secure; SameSite=Strict",
		},
		"beside it, taken back": {
			func(w *httptest.ResponseRecorder) { https.ClearBeside(w, "begun") },
			"__Host-doorward-begun=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict",
		},
		"session on http": {
			func(w *httptest.ResponseRecorder) { http.Set(w, "to.ke.n", time.Hour) },
			"doorward=to.ke.n; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax",
		},
	} {
		w := httptest.NewRecorder()
		test.set(w)
		if got, want := w.Header()["Set-Cookie"], []string{test.want}; !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
	}
}

func TestCookieNameHasThePrefixThatItsSchemeAllows(t *testing.T) {
	for _, test := range []struct {
		name   string
		secure bool
		want   string
	}{
		{"", true, "__Host-doorward"},
		{"", false, "doorward"},
		{"hanko", true, "hanko"},
		{"hanko", false, "hanko"},
		{"__Host-sid", false, "sid"},
		{"__Secure-sid", true, "__Secure-sid"},
		{"__Secure-sid", false, "sid"},
	} {
		if got := session.NewCookie(test.name, test.secure); got.Name != test.want || got.Secure != test.secure {
			t.Errorf("NewCookie(%q, %v) = %+v, want name %q", test.name, test.secure, got, test.want)
		}
	}
}

func TestTokensAreTakenFromTheCookieAndTheBearerOnly(t *testing.T) {
	c := session.NewCookie("", true)
	for name, test := range map[string]struct {
		header         http.Header
		bearer, cookie string
	}{
		"none":                         {http.Header{}, "", ""},
		"cookie":                       {http.Header{"Cookie": {"__Host-doorward=t"}}, "", "t"},
		"cookie among others":          {http.Header{"Cookie": {"a=1; __Host-doorward=t; b=2"}}, "", "t"},
		"cookie without spaces":        {http.Header{"Cookie": {"a=1;__Host-doorward=t;b=2"}}, "", "t"},
		"cookie on the second line":    {http.Header{"Cookie": {"a=1", "__Host-doorward=t"}}, "", "t"},
		"two cookies":                  {http.Header{"Cookie": {"__Host-doorward=t; __Host-doorward=u"}}, "", "t"},
		"a value with a =":             {http.Header{"Cookie": {"__Host-doorward=t=="}}, "", "t=="},
		"cookie of a longer name":      {http.Header{"Cookie": {"__Host-doorwardish=t; __Host-doorward-begun=u"}}, "", ""},
		"cookie of a shorter name":     {http.Header{"Cookie": {"__Host-door=t; doorward=u"}}, "", ""},
		"cookie that ends like it":     {http.Header{"Cookie": {"x__Host-doorward=t; x-__Host-doorward=u"}}, "", ""},
		"cookie in capitals":           {http.Header{"Cookie": {"__HOST-DOORWARD=t"}}, "", ""},
		"in another cookie's value":    {http.Header{"Cookie": {"a=__Host-doorward=t"}}, "", ""},
		"cookie without a value":       {http.Header{"Cookie": {"__Host-doorward; __Host-doorward="}}, "", ""},
		"bearer":                       {http.Header{"Authorization": {"Bearer t"}}, "t", ""},
		"bearer in small letters":      {http.Header{"Authorization": {"bearer t"}}, "t", ""},
		"bearer and cookie":            {http.Header{"Authorization": {"Bearer t"}, "Cookie": {"__Host-doorward=u"}}, "t", "u"},
		"two Authorization lines":      {http.Header{"Authorization": {"Bearer t", "Bearer t"}}, "", ""},
		"two, one of another scheme":   {http.Header{"Authorization": {"Basic dTpw", "Bearer t"}}, "", ""},
		"no Authorization value":       {http.Header{"Authorization": {}}, "", ""},
		"scheme alone":                 {http.Header{"Authorization": {"Bearer"}}, "", ""},
		"scheme and a space":           {http.Header{"Authorization": {"Bearer "}}, "", ""},
		"no scheme":                    {http.Header{"Authorization": {"t"}}, "", ""},
		"Basic":                        {http.Header{"Authorization": {"Basic dTpw"}}, "", ""},
		"DPoP":                         {http.Header{"Authorization": {"DPoP t"}}, "", ""},
		"Token":                        {http.Header{"Authorization": {"Token t"}}, "", ""},
		"a scheme that begins with it": {http.Header{"Authorization": {"BearerToken t"}}, "", ""},
		"X-Auth-Token":                 {http.Header{"X-Auth-Token": {"t"}}, "", ""},
		"Proxy-Authorization":          {http.Header{"Proxy-Authorization": {"Bearer t"}}, "", ""},
		"X-Forwarded-Access-Token":     {http.Header{"X-Forwarded-Access-Token": {"t"}}, "", ""},
		"Sec-WebSocket-Protocol":       {http.Header{"Sec-Websocket-Protocol": {"bearer, t"}}, "", ""},
	} {
		if bearer, cookie := c.Tokens(test.header); bearer != test.bearer || cookie != test.cookie {
			t.Errorf("%s: Tokens = %q, %q, want %q, %q", name, bearer, cookie, test.bearer, test.cookie)
		}
	}
}

func TestBesideReadsItsOwnCookie(t *testing.T) {
	c := session.NewCookie("", true)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "__Host-doorward=t; __Host-doorward-began=1; __Host-doorward-begun=x; begun=y")
	if got := c.Beside(r, "begun"); got != "x" {
		t.Errorf("Beside = %q, want %q", got, "x")
	}
	if got := c.Beside(r, "other"); got != "" {
		t.Errorf("Beside of what is not there = %q, want none", got)
	}
}

func TestCutRemovesOurCookiesAndNoByteOfTheOthers(t *testing.T) {
	c := session.NewCookie("", true)
	for name, test := range map[string]struct{ lines, want []string }{
		"none":                      {nil, nil},
		"ours alone":                {[]string{"__Host-doorward=t"}, nil},
		"ours first":                {[]string{"__Host-doorward=t; a=1; b=2"}, []string{"a=1; b=2"}},
		"ours in the middle":        {[]string{"a=1; __Host-doorward=t; b=2"}, []string{"a=1; b=2"}},
		"ours last":                 {[]string{"a=1; b=2; __Host-doorward=t"}, []string{"a=1; b=2"}},
		"ours twice":                {[]string{"__Host-doorward=t; a=1; __Host-doorward=u"}, []string{"a=1"}},
		"ours beside it":            {[]string{"a=1; __Host-doorward-begun=x; __Host-doorward-=y; b=2"}, []string{"a=1; b=2"}},
		"ours without a value":      {[]string{"a=1; __Host-doorward; b=2"}, []string{"a=1; b=2"}},
		"ours with a space":         {[]string{"a=1; __Host-doorward =t;\t__Host-doorward\t=t"}, []string{"a=1"}},
		"on several lines":          {[]string{"a=1", "__Host-doorward=t", "b=2; __Host-doorward-x=1", "c=3"}, []string{"a=1", "b=2", "c=3"}},
		"longer names":              {[]string{"__Host-doorwardish=1; __Host-doorward_x=2; __Host-doorward=t"}, []string{"__Host-doorwardish=1; __Host-doorward_x=2"}},
		"names that end like it":    {[]string{"x-doorward=1; x-__Host-doorward=2; __Host-doorward=t"}, []string{"x-doorward=1; x-__Host-doorward=2"}},
		"our name in a value":       {[]string{"a=__Host-doorward=t"}, []string{"a=__Host-doorward=t"}},
		"odd bytes":                 {[]string{`a="x y"; b=; =c; d;; e="; __Host-doorward=t;  f=ü=1 `}, []string{`a="x y"; b=; =c; d;; e=";  f=ü=1 `}},
		"odd bytes and none of us":  {[]string{` ; a = 1;; b="`}, []string{` ; a = 1;; b="`}},
		"a cookie that hides us":    {[]string{`a="1; __Host-doorward=t; b=2"`}, []string{`a="1; b=2"`}},
		"the order, the duplicates": {[]string{"b=2; a=1; __Host-doorward=t; b=1; a=2"}, []string{"b=2; a=1; b=1; a=2"}},
	} {
		h := http.Header{"Cookie": slices.Clone(test.lines)}
		if test.lines == nil {
			h = http.Header{}
		}
		c.Cut(h)
		if got := h["Cookie"]; !slices.Equal(got, test.want) {
			t.Errorf("%s: Cookie = %q, want %q", name, got, test.want)
		}
		if _, ok := h["Cookie"]; ok && test.want == nil {
			t.Errorf("%s: an empty Cookie is left", name)
		}
	}
}

func TestCutKnowsAnotherName(t *testing.T) {
	c := session.NewCookie("hanko", true)
	h := http.Header{"Cookie": {"hanko=t; hankoish=1; hanko-begun=x; __Host-doorward=app"}}
	c.Cut(h)
	if got, want := h["Cookie"], []string{"hankoish=1; __Host-doorward=app"}; !slices.Equal(got, want) {
		t.Errorf("Cookie = %q, want %q", got, want)
	}
}

// Hanko's SDK keeps the token that it got in X-Auth-Token in a cookie of the page.
// The app is not to have it under any name.
func TestCutTakesAwayOurTokensFromCookiesOfAnyName(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	assertion := n.assertion(v)
	header, claims := parse(t, token)
	theirs := forge(t, header.with("typ", "JWT"), claims, es256(stranger(t)))
	for name, test := range map[string]struct{ lines, want []string }{
		"alone":                     {[]string{"hanko=" + token}, nil},
		"among others":              {[]string{"a=1; hanko=" + token + "; b=2"}, []string{"a=1; b=2"}},
		"on the second line":        {[]string{"a=1", "hanko=" + token + "; b=2"}, []string{"a=1", "b=2"}},
		"in quotes":                 {[]string{`a=1; hanko="` + token + `"`}, []string{"a=1"}},
		"after a space":             {[]string{"a=1; hanko= " + token}, []string{"a=1"}},
		"truncated":                 {[]string{"a=1; hanko=" + token[:len(token)-5]}, []string{"a=1"}},
		"an assertion":              {[]string{"a=1; x=" + assertion}, []string{"a=1"}},
		"beside ours":               {[]string{"__Host-doorward=t; hanko=" + token + "; a=1"}, []string{"a=1"}},
		"the app's own token":       {[]string{"a=1; jwt=" + theirs}, []string{"a=1; jwt=" + theirs}},
		"what begins like a token":  {[]string{"a=eyJ; b=eyJx.y.z"}, []string{"a=eyJ; b=eyJx.y.z"}},
		"a token in a longer value": {[]string{"a=1; b=x" + token}, []string{"a=1"}},
		"a token in JSON":           {[]string{"a=1; auth=%7B%22token%22%3A%22" + token + "%22%7D"}, []string{"a=1"}},
		"a token behind a scheme":   {[]string{"a=1; auth=Bearer%20" + token}, []string{"a=1"}},
		"without a name":            {[]string{"a=1; " + token}, []string{"a=1"}},
	} {
		header := http.Header{"Cookie": slices.Clone(test.lines)}
		session.NewCookie("", true).Cut(header)
		if got := header["Cookie"]; !slices.Equal(got, test.want) {
			t.Errorf("%s: Cookie = %q, want %q", name, got, test.want)
		}
	}
}

func TestCutTakesAwayOurTokenAndLeavesTheAppsAuthorization(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	assertion := n.assertion(v)
	header, claims := parse(t, token)
	theirs := forge(t, header.with("typ", "at+jwt"), claims, es256(stranger(t)))
	c := session.NewCookie("", true)
	for name, test := range map[string]struct{ lines, want []string }{
		"the app's basic":         {[]string{"Basic dTpw"}, []string{"Basic dTpw"}},
		"the app's bearer":        {[]string{"Bearer " + theirs}, []string{"Bearer " + theirs}},
		"the app's opaque bearer": {[]string{"Bearer ghp_123"}, []string{"Bearer ghp_123"}},
		"the app's digest":        {[]string{`Digest username="u", uri="/a.b", response="0.1"`}, []string{`Digest username="u", uri="/a.b", response="0.1"`}},
		"the app's two":           {[]string{"Basic dTpw", "Bearer x"}, []string{"Basic dTpw", "Bearer x"}},
		"ours":                    {[]string{"Bearer " + token}, nil},
		"ours, truncated":         {[]string{"Bearer " + token[:len(token)-5]}, nil},
		"our assertion":           {[]string{"Bearer " + assertion}, nil},
		"in small letters":        {[]string{"bearer " + token}, nil},
		"after two spaces":        {[]string{"Bearer  " + token}, nil},
		"after a tab":             {[]string{"Bearer\t" + token}, nil},
		"of another scheme":       {[]string{"Token token=\"" + token + "\""}, nil},
		"without a scheme":        {[]string{token}, nil},
		"among the app's":         {[]string{"Basic dTpw", "Bearer " + token}, []string{"Basic dTpw"}},
		"twice":                   {[]string{"Bearer " + token, "Bearer " + token}, nil},
	} {
		header := http.Header{"Authorization": slices.Clone(test.lines)}
		c.Cut(header)
		if got := header["Authorization"]; !slices.Equal(got, test.want) {
			t.Errorf("%s: Authorization = %q, want %q", name, got, test.want)
		}
		if _, ok := header["Authorization"]; ok && test.want == nil {
			t.Errorf("%s: an empty Authorization is left", name)
		}
	}
}

// A header is shared by copies of a request: what is cut from one is not to be
// cut in place from a slice that another still reads.
func TestCutLeavesTheSlicesOfTheRequestAlone(t *testing.T) {
	h := newEmbeddedHouse(t)
	_, token := h.node().begin("ann")
	cookies := []string{"__Host-doorward=t", "a=1; __Host-doorward=t"}
	authorization := []string{"Bearer " + token, "Basic dTpw"}
	header := http.Header{"Cookie": cookies, "Authorization": authorization}
	session.NewCookie("", true).Cut(header)
	if got := strings.Join(cookies, "|"); got != "__Host-doorward=t|a=1; __Host-doorward=t" {
		t.Errorf("Cut wrote into the cookies' slice: %q", cookies)
	}
	if authorization[0] != "Bearer "+token || authorization[1] != "Basic dTpw" {
		t.Errorf("Cut wrote into the slice of Authorization: %q", authorization)
	}
}

// A stranger may send a header of a megabyte, of which every other cookie is ours: what
// is left of it is put together once.
func TestCutTakesNoMoreThanALineIsLong(t *testing.T) {
	c := session.NewCookie("", true)
	const size = 1 << 20
	line := "a=" + strings.Repeat("x", size/2) + ";"
	line += strings.Repeat(c.Name+";;", (size-len(line))/len(c.Name+";;"))
	h := http.Header{"Cookie": {line}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.Cut(h)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8*size {
		t.Errorf("cutting a line of %d bytes takes %d bytes of memory, want %d at most", len(line), took, 8*size)
	}
	if left := h.Get("Cookie"); strings.Contains(left, c.Name) || !strings.HasPrefix(left, "a=xx") {
		t.Errorf("%d bytes are left, beginning with %.20q, want the cookie of the app and none of ours", len(left), left)
	}
}
