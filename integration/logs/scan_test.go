package logs

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const (
	header    = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRvb3J3YXJkLXNlc3Npb24rand0In0"
	signature = "c2lnbmF0dXJlLW9mLWEtdG9rZW4tdGhhdC1pcy1ub25l_-MEYCIQDx"
	token     = header + ".eyJzdWIiOiI2MzJmNGYzNCJ9." + signature
	binding   = "7QK4ZP2M5XJ3NWVT6YHD"
	password  = `p@ss/w?rd#1:% "'\é`
)

// of returns a line as Caddy writes it, with a text in its message.
func of(text string) string {
	return fmt.Sprintf(`{"level":"debug","ts":1795364134.681364,"logger":"doorward","msg":%q,"size":481516}`+"\n", text)
}

func TestASecretIsFoundInWhateverFormItIs(t *testing.T) {
	tests := []struct {
		name   string
		secret Secret
		line   string
	}{
		{"a passcode", Secret{Passcode, "123456"}, of("letter: 123456")},
		{"a passcode beside signs", Secret{Passcode, "123456"}, of("code=123456&x")},
		{"a passcode as a number", Secret{Passcode, "123456"}, `{"level":"info","msg":"x","code":123456}`},
		{"a passcode as the name of a field", Secret{Passcode, "123456"}, `{"level":"info","codes":{"123456":1}}`},
		{"a passcode in a list", Secret{Passcode, "12345678"}, `{"response":{"headers":{"X-Code":["12345678"]}}}`},
		{"a passcode in a line that is no JSON", Secret{Passcode, "123456"}, "goroutine 1: 123456\n"},
		{"a passcode at the end of a sentence", Secret{Passcode, "123456"}, of("it is 123456.")},
		{"a session token", Secret{Token, token}, of("token " + token)},
		{"its signature alone", Secret{Token, token}, of("signature " + signature)},
		{"an assertion", Secret{Assertion, token}, `{"headers":{"X-Auth-Token":["` + token + `"]}}`},
		{"a cookie", Secret{Cookie, binding}, of("doorward-browser=" + binding + "; Path=/")},
		{"a token as a cookie", Secret{Cookie, token}, of("doorward=" + token)},
		{"a challenge", Secret{Challenge, binding}, of(binding)},
		{"a password", Secret{Password, password}, of(password)},
		{"a password in a URL", Secret{Password, password}, of("postgres://door:" + url.PathEscape(password) + "@localhost/door")},
		{"a password in a query", Secret{Password, password}, of("password=" + url.QueryEscape(password))},
		{"a short password in a URL", Secret{Password, "secret"}, of("redis://door:secret@localhost/")},
		{"an assertion for the app", Secret{Assertion, token}, `{"request":{"headers":{"X-Auth-Token":["` + token + `"]}}}`},
		{"a ceremony in the page before", Secret{Ceremony, binding}, `{"request":{"headers":{"Referer":["https://x/?id=` + binding + `"]}}}`},
		{"a cookie in a query", Secret{Cookie, binding}, `{"request":{"uri":"/?x=` + binding + `&y","headers":{"X-Mine":["` + binding + `"]}}}`},
		{"an address", Secret{Address, "Ann@example.com"}, of("to ann@example.com.")},
		{"an address in a URL", Secret{Address, "ann@example.com"}, of("/login?email=ann%40example.com")},
		{"an address in the path of an access line", Secret{Address, "ann@example.com"},
			`{"logger":"http.log.access","request":{"uri":"/ann@example.com","headers":{}},"bytes_read":0}`},
		{"an address in the answer of an access line", Secret{Address, "ann@example.com"},
			`{"logger":"http.log.access","request":{"headers":{}},"bytes_read":0,"resp_headers":{"Location":["/ann@example.com"]}}`},
	}
	for before := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte("door:x"[:4+before] + binding + "more"))
		tests = append(tests, struct {
			name   string
			secret Secret
			line   string
		}{fmt.Sprintf("a cookie in Base64, at %d", before), Secret{Cookie, binding}, of("Basic " + text)})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := NewSearch([]Secret{{Cookie, strings.Repeat("other", 8)}, tt.secret}).Log([]byte(of("nothing") + tt.line))
			if len(found) != 1 || found[0].Kind != tt.secret.Kind || found[0].Line != 2 {
				t.Fatalf("found %v in %s, want a %s in line 2", found, tt.line, tt.secret.Kind)
			}
			if got := found[0].Text; strings.Contains(got, tt.secret.Value) || strings.Contains(got, signature) || !strings.Contains(got, "["+string(tt.secret.Kind)+"]") {
				t.Errorf("the finding tells the secret: %s", got)
			}
		})
	}
}

func TestWhatOnlyLooksLikeASecretIsNone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		secret Secret
		line   string
	}{
		{"digits after the point", Secret{Passcode, "681364"}, of("x")},
		{"digits before the point", Secret{Passcode, "123456"}, of("took 123456.5 seconds")},
		{"a number of bytes", Secret{Passcode, "481516"}, of("x")},
		{"part of a longer number", Secret{Passcode, "123456"}, of("1234567")},
		{"part of a name", Secret{Passcode, "123456"}, of("/tmp/TestX123456/001")},
		{"a token with another signature", Secret{Token, token}, of(token[:len(token)-3] + "aaa")},
		{"a word", Secret{Password, "secret"}, of("secret")},
		{"another address", Secret{Address, "ann@example.com"}, of("joann@example.com")},
		{"an address at another domain", Secret{Address, "ann@example.com"}, of("ann@example.community")},
		{"a masked address", Secret{Address, "ann@example.com"}, of("a…@example.com")},
		{"a user whom an operator names", Secret{Address, "ann@example.com"}, `{"logger":"admin.api","uri":"/doorward/users/ann@example.com"}`},
		{"a user whom the rules name", Secret{Address, "ann@example.com"}, `{"logger":"http.auto_https","allow":["ann@example.com"]}`},
		{"what a client says in a field of its own", Secret{Address, "ann@example.com"},
			`{"logger":"http.log.access.log0","request":{"uri":"/","headers":{"X-Forwarded-User":["ann@example.com"]}},"bytes_read":0}`},
		{"a token in such a field", Secret{Token, token}, `{"request":{"headers":{"X-Token":["` + token + `"]}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if found := NewSearch([]Secret{tt.secret}).Log([]byte(tt.line)); len(found) > 0 {
				t.Errorf("found %v in %s", found, tt.line)
			}
		})
	}
}

func TestWhatATestGaveAwayIsNoSecret(t *testing.T) {
	var issued Issued
	issued.Add(Token, token)
	issued.GiveAway(token)
	if found := NewSearch(issued.Secrets()).Log([]byte(of(token))); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestAMaskedLogHasNoSecret(t *testing.T) {
	search := NewSearch([]Secret{{Passcode, "123456"}, {Token, token}, {Cookie, binding}})
	log := of("123456 "+token+" "+binding+binding) + of("nothing")
	got := search.Masked([]byte(log))
	for _, secret := range []string{"123456", signature, binding} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is in %s", secret, got)
		}
	}
	if !strings.HasSuffix(got, of("nothing")) {
		t.Errorf("the line without a secret is another one: %s", got)
	}
}
