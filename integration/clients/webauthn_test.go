package clients_test

import (
	"testing"

	"github.com/doorward/doorward/integration/clients"
)

// The requests around the library are the page's own, as in apps from before the
// SDK: by the names of today, and by those of the Hanko Authentication API.
func TestWebAuthnLibraryWorksWithTheEndpointsByBothNames(t *testing.T) {
	everywhere(t, []bool{true}, func(t *testing.T, s *clients.Scene) {
		ann := s.Client()
		device := ann.HasAuthenticator()
		ann.Opens("webauthn.html")
		var promised created
		ann.Gets(`send("POST", "/users", { email: "ann@example.com" })`, &promised)
		var begun struct{ ID string }
		ann.Gets(`send("POST", "/passcode/login/initialize", { user_id: `+quote(promised.UserID)+`, email_id: `+quote(promised.EmailID)+` })`, &begun)
		ann.Gets(`send("POST", "/passcode/login/finalize", { id: `+quote(begun.ID)+`, code: `+quote(s.Passcode("ann@example.com"))+` })`, nil)

		type finished struct {
			UserID       string `json:"user_id"`
			CredentialID string `json:"credential_id"`
		}
		var made finished
		ann.Gets(`register()`, &made)
		device.Holds(1)
		if want := (finished{promised.UserID, device.Passkeys()[0]}); made != want {
			t.Errorf("got %+v for a registration, want %+v", made, want)
		}
		for _, ceremony := range []string{"login", "authentication"} {
			for _, body := range []string{`undefined`, `{}`, `{ user_id: null }`, `{ user_id: ` + quote(promised.UserID) + ` }`} {
				ann.Gets(`send("POST", "/logout")`, nil)
				ann.Runs(`forget()`)
				ann.Fails("401 Unauthorized", `send("GET", "/me")`)
				var in finished
				ann.Gets(`signIn(`+quote(ceremony)+`, `+body+`)`, &in)
				if in != made {
					t.Errorf("%s with %s: got %+v, want %+v", ceremony, body, in, made)
				}
				ann.Gets(`send("GET", "/me")`, nil)
			}
		}
	})
}
