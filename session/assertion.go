package session

import (
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwt"
)

// cachedAssertion is the assertion that was last signed for a visitor.
type cachedAssertion struct {
	mu     sync.Mutex
	token  string
	renews time.Time
}

// Assertion returns the token that introduces v to the app of the site that v
// signed in to. It is good for AssertionLifetime at most and for a third of it
// at least, and signed only when the last one has grown older than that. It is
// refused as a session token, by its type.
//
// Its claims are those of an OpenID Connect ID token, with groups.
func (s *Sessions) Assertion(v *Visitor, issuer string) (string, error) {
	now := s.now()
	v.assertion.mu.Lock()
	defer v.assertion.mu.Unlock()
	if now.Before(v.assertion.renews) {
		return v.assertion.token, nil
	}
	expires := now.Add(s.o.AssertionLifetime)
	if v.ExpiresAt.Before(expires) {
		expires = v.ExpiresAt
	}
	values := map[string]any{
		jwt.IssuerKey:     issuer,
		jwt.SubjectKey:    v.Subject,
		jwt.AudienceKey:   []string{v.Audience},
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
	v.assertion.token, v.assertion.renews = token, now.Add(expires.Sub(now)*2/3)
	return token, nil
}
