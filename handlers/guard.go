package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/doorward/doorward/ceremony"
)

// maxBody is the longest body that is read. The longest that a client of ours
// sends, a registration with an attestation, is a few KiB.
const maxBody = 64 << 10

// protect sets the headers that every answer of ours has.
func (h *Handlers) protect(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", h.o.Pages.CSP())
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self)")
	header.Set("Referrer-Policy", "same-origin")
	header.Add("Vary", "Origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
}

// guard refuses requests that change something and that another site caused,
// unless it is a client of ours on an allowed origin, which may do all but send
// the forms of pages. Browsers say where a request comes from, in Sec-Fetch-Site
// or in Origin, and scripts can change neither; what sends none of them is no
// browser, and holds no cookie that somebody else could make it use.
func (h *Handlers) guard(r *http.Request, site ceremony.Site, k kind) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if origin, ok := h.elsewhere(r); ok && origin != site.Origin && k != forPeople {
		return nil
	}
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "same-origin" && from != "none" {
		return errCrossOrigin
	}
	switch origins := r.Header["Origin"]; {
	case len(origins) > 1, len(origins) == 1 && origins[0] != site.Origin:
		return errCrossOrigin
	case len(origins) == 0 && refersElsewhere(r.Referer(), site.Origin): // an old browser
		return errCrossOrigin
	}
	return nil
}

// refersElsewhere reports whether a Referer is one, and not of a page of origin.
func refersElsewhere(referer, origin string) bool {
	return referer != "" && referer != origin && !strings.HasPrefix(referer, origin+"/")
}

// browser reports whether a page of the site itself made the request: then
// cookies work, and bind what it begins to that browser. A client on an allowed
// other origin may be on another site as well, where browsers keep no cookies of
// ours: nothing is bound for it.
func browser(r *request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "same-origin" || r.Header.Get("Origin") == r.site.Origin
}

// decode reads a JSON body into v. An empty body leaves v as it is; fields that
// v does not know are ignored.
func decode(r *request, v any) error {
	body, err := readBody(r)
	if err != nil || len(body) == 0 {
		return err
	}
	return unmarshal(body, v)
}

// unmarshal reads a JSON object into v. What it says of a field of the wrong type
// names the field and never what was in it.
func unmarshal(body []byte, v any) error {
	// null, too, can be read into a struct.
	if body = bytes.TrimLeft(body, " \t\r\n"); !bytes.HasPrefix(body, []byte("{")) {
		return fmt.Errorf("%w: the body must be a JSON object", errBody)
	}
	err := json.Unmarshal(body, v)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return fmt.Errorf("%w: %s must be %s", errBody, wrongType.Field, jsonType(wrongType.Type.Kind().String()))
	case err != nil:
		return fmt.Errorf("%w: the body is not JSON", errBody)
	}
	return nil
}

// jsonType names a Go type as people who write JSON know it.
func jsonType(kind string) string {
	switch kind {
	case "slice", "array":
		return "a list"
	case "struct", "map", "ptr":
		return "an object"
	case "bool":
		return "a boolean"
	case "string":
		return "a string"
	}
	return "a number"
}

// readBody returns the body of a request whose content has to be JSON. The
// content type keeps out what a form on another site could send without asking.
func readBody(r *request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, fmt.Errorf("%w: the body ends early", errBody)
	case len(body) == 0:
		return nil, nil
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, errContentType
	}
	return body, nil
}

// form parses the form of a request, and returns nil if it is none.
func form(r *request) error {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return errContentType
	}
	err = r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case err != nil:
		return fmt.Errorf("%w: not a form", errBody)
	}
	return nil
}

// network returns the network that a client's address is in, as far as budgets
// are concerned: an IPv6 client has a /64 to itself.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	if a = a.Unmap(); a.Is6() {
		if prefix, err := a.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return a.String()
}

// returnTarget returns target if it is a place on this site that a visitor may be
// sent to after signing in, and "/" if it is not.
//
// It takes only what cannot be read in two ways: a path that begins with one
// slash and is followed by printable ASCII, without backslashes (which browsers
// read as slashes) and dot segments. With its escapes decoded, as the app or a
// redirect of the app's may have it, it has to be such a path still.
func (h *Handlers) returnTarget(target string) string {
	const fallback = "/"
	if len(target) == 0 || len(target) > 2048 || target[0] != '/' {
		return fallback
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\"<>^{|}`+"`", c) >= 0 {
			return fallback
		}
	}
	u, err := url.Parse(target)
	if err != nil || strings.HasPrefix(target, "//") || strings.HasPrefix(u.Path, "//") {
		return fallback
	}
	for i := range len(u.Path) {
		if c := u.Path[i]; c < ' ' || c == 0x7f || c == '\\' {
			return fallback
		}
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return fallback
		}
	}
	// The sign-in pages themselves would send the visitor round in circles.
	if h.Owns(u.Path) && u.EscapedPath() != h.o.Path+"/account" {
		return fallback
	}
	return target
}
