package session

import (
	"slices"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwt"
)

// cachedAssertions are the assertions that were last signed for a visitor, one
// for each site that asked: there are no more sites than the session is good for.
type cachedAssertions struct {
	mu   sync.Mutex
	list []cachedAssertion // never changed in place: later visitors of the session share it
}

// kept returns the assertions for a later visitor of the session of whom they say the
// same: they need not be signed again.
func (c *cachedAssertions) kept() []cachedAssertion {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list
}

// tidy forgets them if none can be used any more.
func (c *cachedAssertions) tidy(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.ContainsFunc(c.list, func(a cachedAssertion) bool { return now.Before(a.renews) }) {
		c.list = nil
	}
}

type cachedAssertion struct {
	audience, token string
	renews          time.Time
}

// Assertion returns the token that introduces v to the app of the site whose
// origin is audience. It is good for AssertionLifetime at most and for a third of
// it at least, and signed only when the last one has grown older than that. It is
// refused as a session token, by its type. For a site that the session is not
// good for there is none, but ErrInvalid.
//
// Its claims are those of an OpenID Connect ID token, with groups.
func (s *Sessions) Assertion(v *Visitor, audience, issuer string) (string, error) {
	if !v.For(audience) {
		return "", ErrInvalid
	}
	now := s.now()
	v.assertions.mu.Lock()
	defer v.assertions.mu.Unlock()
	for i := range v.assertions.list {
		if a := &v.assertions.list[i]; a.audience == audience && now.Before(a.renews) {
			return a.token, nil
		}
	}
	expires := now.Add(s.o.AssertionLifetime)
	if v.ExpiresAt.Before(expires) {
		expires = v.ExpiresAt
	}
	values := map[string]any{
		jwt.IssuerKey:     issuer,
		jwt.SubjectKey:    v.Subject,
		jwt.AudienceKey:   []string{audience},
		jwt.IssuedAtKey:   now,
		jwt.ExpirationKey: expires,
		"auth_time":       v.StartedAt.Unix(),
		"amr":             v.AMR(),
		"sid":             v.ID,
		"email":           v.Identity.Email,
		"email_verified":  v.Identity.EmailVerified,
		"groups":          append([]string{}, v.Identity.Groups...), // [] rather than null
	}
	if v.Identity.Name != "" {
		values["name"] = v.Identity.Name
	}
	token, err := s.keys.sign(TypeAssertion, values)
	if err != nil {
		return "", err
	}
	list := []cachedAssertion{{audience, token, now.Add(expires.Sub(now) * 2 / 3)}}
	for _, a := range v.assertions.list {
		if a.audience != audience {
			list = append(list, a)
		}
	}
	v.assertions.list = list
	return token, nil
}
