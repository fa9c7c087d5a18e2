package session

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Cookie names the cookie that carries the session token, and those beside it.
type Cookie struct {
	// Name of the session cookie. With the prefix "__Host-" (RFC 6265bis, section
	// 4.1.3.2) no other host, and no page without TLS, can set or shadow it.
	Name string

	// Secure is false only for plain http on localhost, where browsers keep no
	// __Host- cookies.
	Secure bool
}

// NewCookie returns the cookies of a site: name is the configured name, or empty
// for the default.
func NewCookie(name string, secure bool) Cookie {
	if name == "" {
		name = "__Host-doorward"
	}
	if !secure {
		name = strings.TrimPrefix(strings.TrimPrefix(name, "__Host-"), "__Secure-")
	}
	return Cookie{name, secure}
}

// Set hands token to the browser, for as long as the session may last.
func (c Cookie) Set(w http.ResponseWriter, token string, lifetime time.Duration) {
	c.set(w, c.Name, token, int(lifetime/time.Second), http.SameSiteLaxMode)
}

// Clear takes the session token back from the browser.
func (c Cookie) Clear(w http.ResponseWriter) { c.set(w, c.Name, "", -1, http.SameSiteLaxMode) }

// SetBeside sets another cookie of ours next to the session cookie. It is
// never sent with a request that another site caused.
func (c Cookie) SetBeside(w http.ResponseWriter, suffix, value string, lifetime time.Duration) {
	c.set(w, c.Name+"-"+suffix, value, int(lifetime/time.Second), http.SameSiteStrictMode)
}

// ClearBeside removes a cookie that SetBeside set.
func (c Cookie) ClearBeside(w http.ResponseWriter, suffix string) {
	c.set(w, c.Name+"-"+suffix, "", -1, http.SameSiteStrictMode)
}

func (c Cookie) set(w http.ResponseWriter, name, value string, maxAge int, sameSite http.SameSite) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: c.Secure, HttpOnly: true, SameSite: sameSite,
	})
}

// Beside returns the value of a cookie that SetBeside set, or "".
func (c Cookie) Beside(r *http.Request, suffix string) string {
	return cookieValue(r.Header, c.Name+"-"+suffix)
}

// Tokens returns the session tokens that a request presents, in the order in
// which they are tried: the bearer token (RFC 6750, section 2.1), then the
// cookie. No other place counts: no query parameter, no form field, no inbound
// identity header.
func (c Cookie) Tokens(h http.Header) (bearer, cookie string) {
	return Bearer(h), cookieValue(h, c.Name)
}

// Bearer returns the bearer token of a request, or "".
func Bearer(h http.Header) string {
	values := h["Authorization"]
	if len(values) != 1 { // two of them are no request that a client of ours sends
		return ""
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// cookieValue returns the value of the first cookie called name. It reads the
// header itself because http.Request.Cookie makes a list of all.
func cookieValue(h http.Header, name string) string {
	for _, line := range h["Cookie"] {
		for len(line) > 0 {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			if value, ok := strings.CutPrefix(trimLeft(pair), name); ok && strings.HasPrefix(value, "=") {
				return strings.TrimRight(value[1:], " \t")
			}
		}
	}
	return ""
}

// trimLeft is strings.TrimLeft(s, " \t") for a pair of a Cookie header, which has one
// space at most.
func trimLeft(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// Cut removes our own credentials from a request on its way to the app: every
// cookie of ours, and, in Authorization and in cookies of any name, tokens that
// Doorward signed, whatever they are wrapped in. A web client that is handed its
// token in a header keeps it in a cookie of its own, and may well keep it as a piece
// of JSON. The app's own cookies keep their order and their bytes. An app that saw
// the session token could use it elsewhere in its visitor's name.
func (c Cookie) Cut(h http.Header) {
	if _, ok := h["Authorization"]; ok {
		cutAuthorization(h)
	}
	lines := h["Cookie"]
	var kept []string // not in place: the lines may be somebody else's, too
	cut := false
	for i, line := range lines {
		rest := c.cutLine(line)
		if !cut && len(rest) < len(line) {
			cut, kept = true, append(make([]string, 0, len(lines)), lines[:i]...)
		}
		if cut && rest != "" {
			kept = append(kept, rest)
		}
	}
	switch {
	case !cut:
	case len(kept) == 0:
		delete(h, "Cookie")
	default:
		h["Cookie"] = kept
	}
}

// cutAuthorization removes the lines that carry a token of ours, also such as
// [Bearer] does not read: of two lines, or of another scheme. The app may read
// them.
func cutAuthorization(h http.Header) {
	kept := slices.DeleteFunc(slices.Clone(h["Authorization"]), Own)
	if len(kept) == 0 {
		delete(h, "Authorization")
		return
	}
	h["Authorization"] = kept
}

// cutLine returns one line of a Cookie header without our cookies. It is a part of
// line if what is left stands together, as it does unless ours are in the middle. It
// takes time that grows with the line and no faster, however many of them are ours.
func (c Cookie) cutLine(line string) string {
	var few [4]string
	kept, from := few[:0], 0
	for at := 0; at < len(line); {
		end := strings.IndexByte(line[at:], ';')
		if end < 0 {
			end = len(line) - at
		}
		if end += at; c.owns(line[at:end]) {
			if from < at {
				kept = append(kept, line[from:at])
			}
			from = min(end+1, len(line)) // behind the semicolon
		}
		at = end + 1
	}
	if from == 0 {
		return line
	}
	if from == len(line) { // what stood before the last one needs no semicolon
		return trimLeft(strings.TrimSuffix(strings.Join(kept, ""), ";"))
	}
	return trimLeft(strings.Join(append(kept, line[from:]), "")) // of one, Join makes no copy
}

// owns reports whether a pair of a Cookie header is ours, or has a token of ours.
func (c Cookie) owns(pair string) bool {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(pair), c.Name); ok {
		if rest == "" || rest[0] == '-' {
			return true
		}
		if rest = strings.TrimSpace(rest); rest == "" || rest[0] == '=' {
			return true
		}
	}
	return Own(pair)
}
