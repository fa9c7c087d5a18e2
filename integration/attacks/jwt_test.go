package attacks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// A client signs its token with nothing, and says so.
// GET /, Authorization: Bearer {"alg":"none"}.{...}.
func TestT117TokenIsNotSigned(t *testing.T) {
	f := newForger(t)
	f.alive("the token as it was signed", f.alice.Token)
	parts := strings.Split(f.alice.Token, ".")
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", " ", "null"} {
		header := f.header.with("alg", alg)
		f.dead("alg "+alg+", no signature", forge(header, f.claims, unsigned))
		f.dead("alg "+alg+", the signature kept", header.part()+"."+parts[1]+"."+parts[2])
		f.dead("alg "+alg+", no kid", forge(header.with("kid", nil), f.claims, unsigned))
		f.dead("alg "+alg+", two parts", header.part()+"."+parts[1])
	}
	for name, header := range map[string]object{
		"no alg":         f.header.with("alg", nil),
		"alg a list":     f.header.with("alg", []string{"ES256", "none"}),
		"alg a number":   f.header.with("alg", 0),
		"alg an object":  f.header.with("alg", object{"ES256": true}),
		"alg a boolean":  f.header.with("alg", true),
		"typ JWT, none":  f.header.with("alg", "none").with("typ", "JWT"),
		"an empty one":   {},
		"alg twice none": f.header.with("alg", "none").with("Alg", "ES256"),
	} {
		f.dead(name, forge(header, f.claims, unsigned))
	}
	f.dead("the signature cut off", parts[0]+"."+parts[1]+".")
	f.dead("the signature and its dot cut off", parts[0]+"."+parts[1])
	f.dead("zeros for a signature", parts[0]+"."+parts[1]+"."+encode(make([]byte, 64)))
	f.dead("a signature of one byte", parts[0]+"."+parts[1]+"."+encode([]byte{0}))
	f.dead("other claims under the signature", parts[0]+"."+f.claims.with("sub", "00000000-0000-4000-8000-000000000000").part()+"."+parts[2])
	for name, token := range map[string]string{
		"JSON instead of three parts": `{"payload":"` + parts[1] + `","protected":"` + f.header.with("alg", "none").part() + `","signature":""}`,
		"JSON, no signatures":         `{"payload":"` + parts[1] + `","signatures":[]}`,
		"the token in a token":        forge(object{"alg": "none", "cty": "JWT"}, object{"jwt": f.alice.Token}, unsigned),
		"the token as the claims":     object{"alg": "none", "cty": "JWT"}.part() + "." + encode(f.alice.Token) + ".",
		"a JWE":                       object{"alg": "dir", "enc": "A256GCM"}.part() + ".." + encode(make([]byte, 12)) + "." + parts[1] + "." + encode(make([]byte, 16)),
		"a fourth part":               f.alice.Token + "." + parts[2],
		"a dot behind":                f.alice.Token + ".",
		"two tokens":                  f.alice.Token + f.alice.Token,
		"padding":                     f.alice.Token + "==",
		"a percent escape":            strings.Replace(f.alice.Token, ".", "%2E", 1),
		"a tab inside":                parts[0] + ".\t" + parts[1] + "." + parts[2],
		"a space inside":              parts[0] + ". " + parts[1] + "." + parts[2],
		"dots alone":                  "..",
		"64 KiB of dots":              strings.Repeat(".", 16<<10),
		"a brace":                     "{",
	} {
		f.dead(name, token)
	}
	twice := strings.Replace(string(decoded(t, parts[0])), `"alg":"ES256"`, `"alg":"none","alg":"ES256"`, 1)
	f.dead("alg twice", forgeRaw(encode(twice), parts[1], unsigned))
	f.alive("the token as it was signed, at last", f.alice.Token)
}

func decoded(t testing.TB, part string) []byte {
	t.Helper()
	content, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A client signs with the public key, taken for the secret of an HMAC.
// GET /, Authorization: Bearer {"alg":"HS256"}.{...}.HMAC(JWKS, ...).
func TestT118PublicKeyIsTakenForASecret(t *testing.T) {
	f := newForger(t)
	jwks := f.Get(C, "/doorward/.well-known/jwks.json").Body
	set, err := jwk.ParseString(jwks)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := set.LookupKeyID(f.header["kid"].(string))
	if !ok {
		t.Fatalf("no key %v in %s", f.header["kid"], jwks)
	}
	var list struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(jwks), &list); err != nil {
		t.Fatal(err)
	}
	var public ecdsa.PublicKey
	if err := key.Raw(&public); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&public)
	if err != nil {
		t.Fatal(err)
	}
	point, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, secret := range map[string][]byte{
		"the JWKS":                 []byte(jwks),
		"the JWK":                  list.Keys[0],
		"PEM":                      text,
		"PEM without its last end": bytes.TrimSpace(text),
		"DER":                      der,
		"the point":                point,
		"x":                        point[1:33],
		"the kid":                  []byte(f.header["kid"].(string)),
		"nothing":                  nil,
	} {
		f.dead("HS256 with "+name, forge(f.header.with("alg", "HS256"), f.claims, hs256(secret)))
		f.dead("ES256 that is HS256 with "+name, forge(f.header, f.claims, hs256(secret)))
	}
	for _, alg := range []string{"HS384", "HS512", "RS256", "PS256", "ES384", "ES512", "EdDSA", "ES256K", "es256", "ES256 "} {
		f.dead("the signature under "+alg, f.header.with("alg", alg).part()+f.alice.Token[strings.IndexByte(f.alice.Token, '.'):])
	}
}

// A client names the key that its token is to be verified with, or where it is.
// GET /, Authorization: Bearer {"jwk":{...},"jku":"https://evil.test"}.{...}.
func TestT119TokenBringsItsOwnKey(t *testing.T) {
	f := newForger(t)
	evil := foreignKey(t)
	own, err := jwk.FromRaw(evil.Public())
	if err != nil {
		t.Fatal(err)
	}
	sign := es256(evil)
	f.dead("a foreign key under our kid", forge(f.header, f.claims, sign))
	for name, header := range map[string]object{
		"jwk":             f.header.with("jwk", own),
		"jwk, no kid":     f.header.with("jwk", own).with("kid", nil),
		"jku":             f.header.with("jku", "http://"+f.Raw.Addr+"/jwks.json"),
		"jku, no kid":     f.header.with("jku", "http://"+f.Raw.Addr+"/jwks.json").with("kid", nil),
		"x5u":             f.header.with("x5u", "http://"+f.Raw.Addr+"/cert.pem"),
		"x5c":             f.header.with("x5c", []string{"MIIB"}),
		"x5c of nonsense": f.header.with("x5c", "AAAA"),
		"crit":            f.header.with("crit", []string{"exp"}),
	} {
		f.dead(name, forge(header, f.claims, sign))
	}
	for _, kid := range []any{
		nil, "", " ", "..", "../../../../dev/null", "/dev/null", "/etc/passwd", "file:///dev/null", "http://" + f.Raw.Addr + "/",
		"' OR '1'='1", "x' UNION SELECT 'AAAA' --", `"; DROP TABLE signing_keys; --`, "|sleep 1", "$(id)", "\x00", "a\nb", "%00", "*",
		strings.ToLower(f.header["kid"].(string)), f.header["kid"].(string) + " ", f.header["kid"].(string) + "\x00",
		strings.Repeat("k", 4000), 0, true, []string{f.header["kid"].(string)}, object{"$ne": ""},
	} {
		token := forge(f.header.with("kid", kid), f.claims, sign)
		if a := f.Get(C, "/", "Authorization: Bearer "+token); a.Status != 401 {
			f.T.Errorf("kid %q: %v, want 401", kid, a)
		}
	}
	f.Quiet() // nobody fetched a key from where the tokens said
}

// What our own key did sign is a session token only if it says so, for this site,
// now. The client has all it takes but the right claims.
// GET /, Authorization: Bearer {"typ":...}.{"aud":...,"exp":...}.
func TestT120TokenIsForSomethingElse(t *testing.T) {
	f := newForger(t)
	sign := es256(f.insider().key(f.alice.Token))
	f.alive("signed again by our own key", forge(f.header, f.claims, sign))
	for name, typ := range map[string]any{
		"an ID token": "JWT", "an access token": "at+jwt", "none": nil, "empty": "", "an assertion": "doorward-assertion+jwt",
		"in capitals": "DOORWARD-SESSION+JWT", "with its tree": "application/doorward-session+jwt", "a space behind": "doorward-session+jwt ",
		"a list": []string{"doorward-session+jwt"}, "a logout token": "logout+jwt", "NUL behind": "doorward-session+jwt\x00",
	} {
		f.dead("typ: "+name, forge(f.header.with("typ", typ), f.claims, sign))
	}
	for name, header := range map[string]object{
		"crit of what we know":     f.header.with("crit", []string{"exp"}).with("exp", 1),
		"crit, no list":            f.header.with("crit", "b64"),
		"b64 false, critical":      f.header.with("b64", false).with("crit", []string{"b64"}),
		"compressed":               f.header.with("zip", "DEF").with("crit", []string{"zip"}),
		"alg of another signature": f.header.with("alg", "ES384"),
	} {
		f.dead(name, forge(header, f.claims, sign))
	}
	own := f.Origin(C)
	for name, aud := range map[string]any{
		"none": nil, "empty": "", "an empty list": []string{}, "another app": f.Origin(A), "a list of others": []string{f.Origin(A), f.Origin(B)},
		"another scheme": "http://" + strings.TrimPrefix(own, "https://"), "no port": "https://" + C, "a path": own + "/", "a host": C,
		"in capitals": strings.ToUpper(own), "a space behind": own + " ", "one string of two": own + " " + f.Origin(B), "a prefix of it": own[:len(own)-1],
		"everybody": "*", "a number": 1, "an object": object{own: true}, "a list in a list": []any{[]string{own}}, "null in a list": []any{nil},
	} {
		f.dead("aud: "+name, forge(f.header, f.claims.with("aud", aud), sign))
	}
	now := time.Now().Unix()
	for name, claims := range map[string]object{
		"exp: none":                 f.claims.with("exp", nil),
		"exp: long ago":             f.claims.with("exp", now-3600),
		"exp: beyond the leeway":    f.claims.with("exp", now-125),
		"exp: zero":                 f.claims.with("exp", 0),
		"exp: negative":             f.claims.with("exp", -1),
		"exp: text":                 f.claims.with("exp", "tomorrow"),
		"exp: true":                 f.claims.with("exp", true),
		"exp: a list":               f.claims.with("exp", []int64{now + 3600}),
		"exp: an object":            f.claims.with("exp", object{}),
		"nbf: to come":              f.claims.with("nbf", now+3600),
		"nbf: far away":             f.claims.with("nbf", int64(1)<<40),
		"iat: to come":              f.claims.with("iat", now+3600),
		"sid: none":                 f.claims.with("sid", nil),
		"sid: empty":                f.claims.with("sid", ""),
		"sid: a number":             f.claims.with("sid", 1),
		"sid: a list":               f.claims.with("sid", []any{f.claims["sid"]}),
		"sid: nobody's":             f.claims.with("sid", "AAAAAAAAAAAAAAAAAAAAAAAAAA"),
		"sid: a path":               f.claims.with("sid", "../session/"+f.claims["sid"].(string)),
		"sid: in lower case":        f.claims.with("sid", strings.ToLower(f.claims["sid"].(string))),
		"sid: a passkey's ceremony": f.claims.with("sid", "../passkey/login"),
	} {
		f.dead(name, forge(f.header, claims, sign))
	}
	f.dead("the claims are a list", forgeRaw(f.header.part(), encode("[]"), sign))
	f.dead("the claims are null", forgeRaw(f.header.part(), encode("null"), sign))
	f.dead("the claims are no JSON", forgeRaw(f.header.part(), encode("sid="+f.claims["sid"].(string)), sign))
	f.dead("claims and more claims", forgeRaw(f.header.part(), encode(string(decoded(t, f.claims.part()))+"{}"), sign))
}
