package session

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

// The types of our tokens, in the typ header (RFC 8725, section 3.11), so that
// neither can be used in place of the other.
const (
	TypeSession   = "doorward-session+jwt"
	TypeAssertion = "doorward-assertion+jwt"
)

// Leeway is how far the clocks of two nodes may be apart. A token is valid that
// much longer, and may be that much from the future; the store's records, which
// one clock expires, are not.
const Leeway = 2 * time.Minute

// maxTokenLength bounds what is looked at, and what is signed. Ours are about 1 KiB,
// and 1.5 KiB for each KiB of other sites.
const maxTokenLength = 8 << 10

// maxHeaderLength bounds the part of a token that is read before its signature is
// verified. Ours are about 120 bytes.
const maxHeaderLength = 512

// tokenStart is what each token of ours begins with: its header is a JSON object,
// written without spaces.
const tokenStart = "eyJ"

// signSession returns the session token of v, issued by issuer.
func (k *KeySet) signSession(v *Visitor, issuer string) (string, error) {
	return k.sign(TypeSession, map[string]any{
		jwt.IssuerKey:     issuer,
		jwt.SubjectKey:    v.Subject,
		jwt.AudienceKey:   append([]string{v.Audience}, v.Sites...),
		jwt.IssuedAtKey:   v.StartedAt,
		jwt.ExpirationKey: v.ExpiresAt,
		"auth_time":       v.StartedAt.Unix(),
		"amr":             v.AMR(),
		"sid":             v.ID,
		"email": map[string]any{
			"address":     v.Identity.Email,
			"is_primary":  true,
			"is_verified": v.Identity.EmailVerified,
		},
	})
}

// sign returns a JWT of the given type with the newest key's signature. Times among
// the claims become seconds (RFC 7519, section 2).
func (k *KeySet) sign(typ string, claims map[string]any) (string, error) {
	for name, value := range claims {
		if t, ok := value.(time.Time); ok {
			claims[name] = t.Unix()
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding claims of %s: %w", typ, err)
	}
	key, err := k.signer()
	if err != nil {
		return "", err
	}
	headers := jws.NewHeaders()
	for name, value := range map[string]string{jws.TypeKey: typ, jws.KeyIDKey: key.id} {
		if err := headers.Set(name, value); err != nil {
			return "", fmt.Errorf("setting %s: %w", name, err)
		}
	}
	signed, err := jws.Sign(payload, jws.WithKey(key.algorithm, key.private, jws.WithProtectedHeaders(headers)))
	if err != nil {
		return "", fmt.Errorf("signing %s: %w", typ, err)
	}
	if len(signed) > maxTokenLength { // nobody would take it
		return "", fmt.Errorf("signing %s: it has %d bytes, %d too many", typ, len(signed), len(signed)-maxTokenLength)
	}
	return string(signed), nil
}

// verifySession checks everything about a session token that can be checked
// without I/O, and returns the ID of its session: its other claims are for
// clients. Its errors are ErrInvalid, ErrExpired and unknownKeyError.
//
// The token is parsed once, and its claims not before the signature is good: what
// a forged one costs is the verification, and little else.
func (k *KeySet) verifySession(token, audience string, now time.Time) (id string, err error) {
	if len(token) > maxTokenLength || !canonical(token) {
		return "", ErrInvalid
	}
	payload, err := jws.Verify([]byte(token), jws.WithCompact(), jws.WithKeyProvider(jws.KeyProviderFunc(k.sessionKey)))
	var unknown unknownKeyError
	switch {
	case errors.As(err, &unknown):
		return "", unknown
	case err != nil:
		return "", ErrInvalid
	}
	claims := jwt.New()
	if err := json.Unmarshal(payload, claims); err != nil { // the library alone would read what comes first, and no more
		return "", ErrInvalid
	}
	err = jwt.Validate(claims,
		jwt.WithClock(jwt.ClockFunc(func() time.Time { return now })),
		jwt.WithAcceptableSkew(Leeway),
		jwt.WithRequiredClaim(jwt.ExpirationKey),
		jwt.WithRequiredClaim("sid"),
	)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired()):
		return "", ErrExpired
	case err != nil:
		return "", ErrInvalid
	case now.Sub(claims.Expiration()) > Leeway: // the library takes an exp of 0 for none
		return "", ErrExpired
	case !slices.Contains(claims.Audience(), audience): // one must be ours (RFC 7519, section 4.1.3)
		return "", ErrInvalid
	}
	if id, _ = claims.PrivateClaims()["sid"].(string); id == "" {
		return "", ErrInvalid
	}
	return id, nil
}

// sessionKey gives the key that a session token with these headers is verified
// with, or an error for a token of another kind. The algorithm is the key's, never
// the token's (RFC 8725, section 3.1).
func (k *KeySet) sessionKey(_ context.Context, sink jws.KeySink, signature *jws.Signature, _ *jws.Message) error {
	header := signature.ProtectedHeaders()
	if header.Type() != TypeSession || len(header.Critical()) != 0 {
		return ErrInvalid
	}
	key, ok := k.verifier(header.KeyID())
	if !ok {
		return unknownKeyError{header.KeyID()}
	}
	if header.Algorithm() != key.algorithm {
		return ErrInvalid
	}
	sink.Key(key.algorithm, key.public)
	return nil
}

// base64url is how RFC 7515, section 2, spells the parts of a token, with no bit to
// spare.
var base64url = base64.RawURLEncoding.Strict()

// canonical reports whether token is three parts of base64url as RFC 7515, section
// 2, spells it, with no padding, no line break and no bit to spare. The library
// reads other spellings too, and takes the signature for theirs: such a token
// would be accepted, and go past [Own] to the app.
func canonical(token string) bool {
	parts := 0
	for part := range strings.SplitSeq(token, ".") {
		parts++
		if strings.ContainsAny(part, "\r\n") { // which the decoder skips
			return false
		}
		if parts == 1 && len(part) > maxHeaderLength {
			return false
		}
		decoded, err := base64url.DecodeString(part)
		if err != nil {
			return false
		}
		// Of a header with more around it, the library takes the signature of the
		// header alone.
		if parts == 1 && (!json.Valid(decoded) || decoded[0] != '{' || decoded[len(decoded)-1] != '}') {
			return false
		}
	}
	return parts == 3
}

// Own reports whether a token that Doorward signed stands anywhere in s, whole or
// cut, valid or not: such a token is never shown to the app. Whatever clients wrap a
// token in (quotes, JSON, percent-encoding) leaves its characters as they are.
func Own(s string) bool {
	return strings.Contains(s, tokenStart) &&
		slices.ContainsFunc(ownTypes, func(typ string) bool { return strings.Contains(s, typ) })
}

// ownTypes are the types of our tokens as they stand in base64url, which depends on
// where in a group of three bytes they begin. Looking for them takes time that grows
// with a request's length and no faster, other than decoding whatever begins like a
// token.
var ownTypes = func() (list []string) {
	for _, typ := range []string{TypeSession, TypeAssertion} {
		for before := range 3 {
			encoded := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", before) + typ))
			shared := (before*8 + 5) / 6 // characters that depend on what stands before
			end := (before + len(typ)) * 8 / 6
			list = append(list, encoded[shared:end])
		}
	}
	return list
}()
