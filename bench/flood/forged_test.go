package flood

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Anybody can send what looks like a session token. Each is another, so that
// whatever is remembered of one is remembered of all.
func TestForgedTokensLeaveNothing(t *testing.T) {
	eachStore(t, "", func(t *testing.T, n *node) {
		kid := n.kid()
		for name, token := range map[string]func() string{
			"signature": func() string { return n.forged(kid) },
			"key":       func() string { return n.forged(rand.Text()) },
			"garbage":   rand.Text,
		} {
			t.Run(name, func(t *testing.T) {
				n := &node{n.Gateway, t, n.redis}
				looks := n.flood(*requests, func(i int) *http.Request {
					if i%2 == 0 {
						return n.get("/", "Authorization", "Bearer "+token())
					}
					return n.get("/", "Cookie", "doorward="+token())
				}, http.StatusUnauthorized)
				holdsNoMore(t, looks)
				keepsNothing(t, looks)
			})
		}
	})
}

// forged returns a session token with all that one has but a signature of ours.
func (n *node) forged(kid string) string {
	now := time.Now().Unix()
	signature := make([]byte, 64)
	rand.Read(signature)
	encode := base64.RawURLEncoding.EncodeToString
	return encode(fmt.Appendf(nil, `{"alg":"ES256","kid":%q,"typ":"doorward-session+jwt"}`, kid)) + "." +
		encode(fmt.Appendf(nil, `{"aud":[%q],"auth_time":%d,"exp":%d,"iat":%d,"iss":%q,"sid":%q,"sub":%q}`,
			n.URL, now, now+3600, now, n.URL+"/doorward", rand.Text(), rand.Text())) + "." +
		encode(signature)
}
