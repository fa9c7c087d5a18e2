package session

import (
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Headers names the headers that tell the app who a request comes from. An empty
// name turns one off.
type Headers struct {
	Token  string // the assertion
	User   string // the subject's e-mail address: what apps take for a login name
	Email  string
	Name   string // the display name, or the address
	Groups string // comma-separated
}

// DefaultHeaders are the names that self-hosted apps know.
var DefaultHeaders = Headers{
	Token:  "X-Auth-Token",
	User:   "Remote-User",
	Email:  "Remote-Email",
	Name:   "Remote-Name",
	Groups: "Remote-Groups",
}

// IdentityHeaders removes from requests what clients have no right to say, and sets
// our headers. It is safe for concurrent use.
type IdentityHeaders struct {
	// FromProxy reports whether a request comes from a proxy that may say what only
	// proxies may (see [hops]). Default: none does.
	FromProxy func(*http.Request) bool

	names  Headers
	taken  []string // every name of ours that is removed, folded
	starts starts   // of all names that are removed
}

// NewIdentityHeaders returns what handles the headers that h names. The default
// names are removed from a client's request even where h turns them off or calls
// them otherwise: the app may still trust them.
func NewIdentityHeaders(h Headers) *IdentityHeaders {
	ih := &IdentityHeaders{names: h}
	for _, name := range []*string{&ih.names.Token, &ih.names.User, &ih.names.Email, &ih.names.Name, &ih.names.Groups} {
		*name = textproto.CanonicalMIMEHeaderKey(*name)
	}
	ih.Take(DefaultHeaders)
	ih.Take(ih.names)
	for _, name := range overrides {
		ih.take(name)
	}
	for _, name := range slices.Concat(hops, hopPrefixes) {
		ih.starts.add(name)
	}
	return ih
}

// overrides are headers by which some app servers let a client name another path
// than that of the request, which was judged.
var overrides = []string{"X-Original-URL", "X-Rewrite-URL"}

// methodOverrides are those by which some let a client name another method.
var methodOverrides = []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"}

// TakeMethodOverrides has headers removed by which a client names another method than
// that of the request: where the method is judged. Elsewhere apps need them, since
// there are clients that know no methods but GET and POST. It is not safe for
// concurrent use with the other methods.
func (ih *IdentityHeaders) TakeMethodOverrides() {
	for _, name := range methodOverrides {
		ih.take(name)
	}
}

// Take has the names that h uses removed from clients' requests, too: another
// door may lead to the same app by them. It is not safe for concurrent use with
// the other methods.
func (ih *IdentityHeaders) Take(h Headers) {
	for _, name := range []string{h.Token, h.User, h.Email, h.Name, h.Groups} {
		if name != "" {
			ih.take(name)
		}
	}
}

func (ih *IdentityHeaders) take(name string) {
	folded := fold(name)
	if slices.Contains(ih.taken, folded) {
		return
	}
	ih.taken = append(ih.taken, folded)
	ih.starts.add(folded)
}

// Names returns the headers that are set.
func (ih *IdentityHeaders) Names() Headers { return ih.names }

// fold maps the spellings of a header name to one: app servers that speak CGI
// turn "-" into "_" (RFC 3875, section 4.1.18), PHP "." too, and some every sign
// that is no letter and no digit, so that X_Auth.Token and X!Auth~Token arrive as
// X-Auth-Token does.
func fold(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		folded[i] = foldByte(c)
	}
	return string(folded)
}

func foldByte(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c + ('a' - 'A')
	}
	return '-'
}

// foldsTo reports whether name folds to folded, without allocating.
func foldsTo(name, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i := range len(name) {
		if foldByte(name[i]) != folded[i] {
			return false
		}
	}
	return true
}

// takes reports whether a header of this name could reach the app as one of ours.
func (ih *IdentityHeaders) takes(name string) bool {
	for _, taken := range ih.taken {
		if foldsTo(name, taken) {
			return true
		}
	}
	return false
}

// Strip removes from r everything that could reach the app as an identity header
// of ours, in any spelling: headers, trailers, and our names in Connection. It also
// removes what only a proxy has a right to say, unless one that we trust says it.
//
// Every header of every request is looked at, so this goes through them once.
func (ih *IdentityHeaders) Strip(r *http.Request) {
	for name := range r.Header {
		if ih.starts.has(name) && (ih.takes(name) || isHop(name) && !ih.mayHop(r, name)) {
			delete(r.Header, name)
		}
	}
	if _, ok := r.Header["Connection"]; ok {
		ih.stripConnection(r.Header)
	}
	// Trailers follow a body of unknown length. They need not be announced.
	if r.Trailer != nil || r.ContentLength < 0 && r.Body != nil {
		r.Body = &trailerStripper{r.Body, r, ih}
		ih.stripTrailer(r)
	}
}

// stripConnection removes our names from the list of headers that the next hop
// shall drop (RFC 9110, section 7.6.1): a client could have the proxy behind us
// drop the identity that we set, and pass the app without one.
func (ih *IdentityHeaders) stripConnection(h http.Header) {
	var kept []string
	changed := false
	for _, line := range h["Connection"] {
		var options []string
		for option := range strings.SplitSeq(line, ",") {
			if ih.takes(strings.TrimSpace(option)) {
				changed = true
				continue
			}
			options = append(options, option)
		}
		if len(options) > 0 {
			kept = append(kept, strings.TrimSpace(strings.Join(options, ",")))
		}
	}
	switch {
	case !changed:
	case len(kept) == 0:
		delete(h, "Connection")
	default:
		h["Connection"] = kept
	}
}

func (ih *IdentityHeaders) stripTrailer(r *http.Request) {
	for name := range r.Trailer {
		if ih.takes(name) || isHop(name) {
			delete(r.Trailer, name)
		}
	}
}

// trailerStripper removes the client's identity trailers once the body has been
// read: that is when the server fills them in, also ones that were not announced.
type trailerStripper struct {
	io.ReadCloser
	r  *http.Request
	ih *IdentityHeaders
}

func (t *trailerStripper) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		t.ih.stripTrailer(t.r)
	}
	return n, err
}

// Close may read what is left of the body, and the trailers after it.
func (t *trailerStripper) Close() error {
	defer t.ih.stripTrailer(t.r)
	return t.ReadCloser.Close()
}

// Set tells the app who v is. Strip has been called before. A header whose value
// would be empty is not set: Strip has removed the client's.
func (ih *IdentityHeaders) Set(h http.Header, v *Visitor, assertion string) {
	email := v.Identity.Email
	name := v.Identity.Name
	if name == "" {
		name = email
	}
	// One allocation for the values of all headers; each is full, so that whoever
	// appends to one gets a copy.
	values := [5]string{assertion, email, email, name, strings.Join(v.Identity.Groups, ",")}
	shared := values[:]
	for i, header := range [5]string{ih.names.Token, ih.names.User, ih.names.Email, ih.names.Name, ih.names.Groups} {
		if header != "" && shared[i] != "" {
			h[header] = shared[i : i+1 : i+1]
		}
	}
}
