package web

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// target returns s if a page may link to it, and "" if not: a path on this
// site, or a URL at one of the origins people may be sent back to. The caller
// has checked it already; this is the second lock, because a link is also
// where javascript: and an open redirect would end up.
func (p *Pages) target(s string) string {
	// Browsers drop tabs and line breaks from a URL before they read it, so
	// "/\t/evil.example" is another way to write "//evil.example". Parse takes
	// no such characters.
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	if u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") {
		// A backslash in a path is a slash to a browser: "/\evil.example".
		if strings.HasPrefix(s, "//") || strings.Contains(u.Path, `\`) {
			return ""
		}
		return s
	}
	if u.User == nil && slices.Contains(p.origins, strings.ToLower(u.Scheme+"://"+u.Host)) {
		return s
	}
	return ""
}

// hostPattern keeps out all that could end a source expression of the policy.
var hostPattern = regexp.MustCompile(`^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// parseOrigin returns the origin s in lower case.
func parseOrigin(s string) (string, error) {
	u, err := url.Parse(strings.ToLower(s))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !hostPattern.MatchString(u.Host) ||
		u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		return "", fmt.Errorf("%q: want an origin such as https://shop.example.com", s)
	}
	return u.Scheme + "://" + u.Host, nil
}

// checkLogo returns the origin that serves the logo, "" for the site's own.
func checkLogo(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") &&
		!strings.Contains(s, `\`):
		return "", nil
	case u.Scheme == "https" && u.User == nil:
		if host := strings.ToLower(u.Host); hostPattern.MatchString(host) {
			return "https://" + host, nil
		}
	}
	return "", fmt.Errorf("%q: want a path such as /logo.svg, or an https URL", s)
}
