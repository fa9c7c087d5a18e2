package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/session"
)

// ErrPattern is returned for an allow pattern that cannot be one.
var ErrPattern = errors.New("not a pattern")

// Allow says whom a site admits. An identity is admitted if one pattern matches.
type Allow struct {
	anybody   bool
	addresses []string
	domains   []string
	groups    []string
}

// Canonical brings an address to the form in which the directory keeps it.
type Canonical func(address string) (canonical, domain string, err error)

// ParseAllow reads allow patterns:
//
//	ann@example.com   the owner of that address
//	*@example.com     whoever has an address at that domain, not at its subdomains
//	group:admins      the members of that group
//	*                 whoever has an e-mail address
//
// Addresses and domains are compared in canonical form, and an address counts
// only once its owner has proved it.
func ParseAllow(patterns []string, canonical Canonical) (Allow, error) {
	var a Allow
	for _, p := range patterns {
		group, isGroup := strings.CutPrefix(p, "group:")
		domain, isDomain := strings.CutPrefix(p, "*@")
		switch {
		case p == "*":
			a.anybody = true
		case isGroup && group != "" && !strings.ContainsAny(group, "*@, "):
			a.groups = append(a.groups, group)
		case isGroup:
			return Allow{}, fmt.Errorf("%w: %q: want group:name", ErrPattern, p)
		case isDomain:
			_, d, err := canonical("postmaster@" + domain)
			if err != nil || strings.Contains(domain, "*") {
				return Allow{}, fmt.Errorf("%w: %q: want *@ and a domain, as in *@example.com", ErrPattern, p)
			}
			a.domains = append(a.domains, d)
		case strings.Contains(p, "*"):
			return Allow{}, fmt.Errorf("%w: %q: a * stands for a whole local part, as in *@example.com", ErrPattern, p)
		default:
			address, _, err := canonical(p)
			if err != nil {
				return Allow{}, fmt.Errorf("%w: %q: want an address, *@domain, group:name or *", ErrPattern, p)
			}
			a.addresses = append(a.addresses, address)
		}
	}
	return a, nil
}

func (a *Allow) empty() bool {
	return !a.anybody && len(a.addresses) == 0 && len(a.domains) == 0 && len(a.groups) == 0
}

func (a *Allow) admits(v session.Identity) bool {
	for _, g := range v.Groups {
		if slices.Contains(a.groups, g) {
			return true
		}
	}
	if !v.EmailVerified {
		return false
	}
	_, domain, _ := cutLast(v.Email, "@")
	return a.address(v.Email, domain)
}

func (a *Allow) address(address, domain string) bool {
	return a.anybody && address != "" ||
		slices.Contains(a.addresses, address) || slices.Contains(a.domains, domain)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
