package handlers_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// optionsOf is what the tests read of the options of a ceremony.
type optionsOf struct {
	PublicKey struct {
		Timeout          int
		RPID             string
		UserVerification string
		Attestation      string
		User             struct{ ID, Name, DisplayName string }
		Selection        struct {
			Attachment       string `json:"authenticatorAttachment"`
			ResidentKey      string `json:"residentKey"`
			UserVerification string `json:"userVerification"`
		} `json:"authenticatorSelection"`
		Allow   []struct{ ID, Type string } `json:"allowCredentials"`
		Exclude []struct{ ID, Type string } `json:"excludeCredentials"`
	}
}

func (c *client) options(path, body string) (o optionsOf) {
	c.t.Helper()
	a := c.call("POST", "/doorward"+path, body)
	c.wantStatus(path+" "+body, a, http.StatusOK)
	if strings.Contains(a.body, "null") || strings.Contains(a.body, "transports") {
		c.t.Errorf("%s: %s: clients fail at null, and at transports that they do not know", path, a.body)
	}
	a.decode(c.t, &o)
	return o
}

func handleOf(user directory.User) string { return base64.RawURLEncoding.EncodeToString(user.Handle()) }

func TestChallengeForALoginNamesPasskeysOnlyToWhoMayKnow(t *testing.T) {
	for _, known := range []bool{false, true} {
		r := newRig(t, setup{accounts: ceremony.AccountOptions{Lookup: known}})
		ann, bob := r.client().signIn("ann@example.com"), r.client().signIn("bob@example.com")
		anns, bobs := ann.addPasskey(newAuthenticator()), bob.addPasskey(newAuthenticator())
		r.client().signIn("cleo@example.com")
		id, cleo := r.user("ann@example.com").ID, r.user("cleo@example.com").ID
		toStrangers := ""
		if known {
			toStrangers = anns
		}
		for _, path := range []string{"/webauthn/login/initialize", "/webauthn/authentication/initialize"} {
			for _, tt := range []struct {
				who  *client
				body string
				want string
			}{
				{r.client(), "", ""},
				{r.client(), "{}", ""},
				{r.client(), `{"user_id":null}`, ""},
				{r.client(), `{"user_id":"` + id + `"}`, toStrangers},
				{r.client(), `{"user_id":"` + strings.ToUpper(id) + `"}`, toStrangers},
				{r.client(), `{"user":{"id":"` + handleOf(r.user("ann@example.com")) + `"}}`, toStrangers},
				{r.client(), `{"user_id":"` + cleo + `"}`, ""}, // has none
				{ann, "", anns},
				{ann, `{"user_id":"` + id + `"}`, anns},
				{bob, "", bobs},
				{bob, `{"user_id":"` + id + `"}`, toStrangers},
			} {
				o := tt.who.options(path, tt.body)
				var got string
				for _, allowed := range o.PublicKey.Allow {
					got += allowed.ID
				}
				if got != tt.want || o.PublicKey.RPID != host || o.PublicKey.Timeout != 300000 || o.PublicKey.UserVerification != "preferred" {
					t.Errorf("lookups %v, %s: %+v, want passkey %q", known, tt.body, o, tt.want)
				}
			}
		}
		// Whether there is such a user is for those who may know, too.
		unknown := r.client().call("POST", "/doorward/webauthn/login/initialize", `{"user_id":"`+uuid.NewString()+`"}`)
		if !known {
			r.wantStatus("unknown user", unknown, http.StatusOK)
		} else if p := r.wantProblem("unknown user", unknown, 400, "unknown_user"); p.Message != "user not found" {
			t.Errorf("unknown user: message %q, want user not found", p.Message)
		}
	}
}

func TestOptionsOfTheOlderAPIAreHeard(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	id, handle := meID(t, ann), handleOf(r.user("ann@example.com"))
	type want struct{ verification, attachment, attestation string }
	for body, want := range map[string]want{
		"":                         {"preferred", "", "none"},
		"{}":                       {"preferred", "", "none"},
		`{"user_id":"` + id + `"}`: {"preferred", "", "none"},
		`{"user":{"id":"` + id + `","name":"eve@example.net","displayName":"Eve"},"options":{"authenticatorSelection":{"authenticatorAttachment":"platform","requireResidentKey":false,"userVerification":"required"},"attestation":"direct"}}`: {"required", "platform", "direct"},
		`{"user":{"id":"` + handle + `"},"options":{"authenticatorAttachment":"cross-platform","userVerification":"required"}}`:                                                                                                                 {"required", "cross-platform", "none"},
		`{"options":{"userVerification":"discouraged","attestation":"none"}}`:                                                                                                                                                                   {"preferred", "", "none"}, // not less than the site asks for
	} {
		o := ann.options("/webauthn/registration/initialize", body).PublicKey
		got := want
		got.verification, got.attachment, got.attestation = o.Selection.UserVerification, o.Selection.Attachment, o.Attestation
		if got != want || o.Selection.ResidentKey != "required" || o.User.ID != handle || o.User.Name != "ann@example.com" {
			t.Errorf("%s: %+v, want %+v, a passkey that is discoverable, and Ann", body, o, want)
		}
	}
	if o := r.client().options("/webauthn/authentication/initialize", `{"options":{"userVerification":"required","authenticatorAttachment":"platform"}}`); o.PublicKey.UserVerification != "required" {
		t.Errorf("login: %+v, want userVerification required", o)
	}
}

func TestOptionsThatAreNoneAreRefused(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	for body, want := range map[string]string{
		`{"user_id":"1"}`:                               "failed to parse UserID as uuid",
		`{"user":{"id":"AAAA"}}`:                        "failed to parse UserID as uuid",
		`{"options":{"userVerification":"maybe"}}`:      "userVerification must be one of required, preferred, discouraged",
		`{"options":{"authenticatorAttachment":"usb"}}`: "authenticatorAttachment must be one of platform, cross-platform",
		`{"options":{"attestation":"all"}}`:             "attestation must be one of none, indirect, direct, enterprise",
		`{"user_id":1}`:                                 "user_id must be a string",
		`{"user":"ann"}`:                                "user must be an object",
		`{"user":{"id":1}}`:                             "user.id must be a string",
		`{"options":{"authenticatorSelection":{"requireResidentKey":"yes"}}}`: "options.authenticatorSelection.requireResidentKey must be a boolean",
		`{"options":{"userVerification":1}}`:                                  "options.userVerification must be a string",
	} {
		for _, path := range []string{"/webauthn/login/initialize", "/webauthn/registration/initialize"} {
			if p := r.wantProblem(path+" "+body, ann.call("POST", "/doorward"+path, body), 400, "malformed"); p.Message != want {
				t.Errorf("%s %s: message %q, want %q", path, body, p.Message, want)
			}
		}
	}
	other := ann.call("POST", "/doorward/webauthn/registration/initialize", `{"user_id":"`+uuid.NewString()+`"}`)
	r.wantProblem("a registration for somebody else", other, 403, "other_user")
}
