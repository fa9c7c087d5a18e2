package browser

import (
	"net/http"
)

// Pages are the pages of a tour, in its order.
var Pages = []string{
	"login", "login-problem", "passcode", "passcode-problem", "offer", "account-empty", "verify", "account", "account-forms",
	"error-403", "error-404", "signed-out", "loop", "deleted", "error-503",
}

// Tour leads a visitor past every page there is, by the way that leads there in
// life, and calls stop at each with its name. In the end the site is broken: the
// scene has to be one with Redis, which is stopped.
func (s *Scene) Tour(v *Visitor, stop func(page string)) {
	s.t.Helper()
	const (
		address, second = "ann@example.com", "ann.example@example.org"

		addresses = "[aria-labelledby=emails] > details "
		deletion  = "[aria-labelledby=deletion] > details "
	)
	s.introduce(address, "Ann Example", "staff", "wiki")
	device := v.HasAuthenticator()

	v.Visits("/wiki?page=1")
	stop("login")
	v.Visits("/doorward/login/passcode?return=%2Fwiki")
	stop("login-problem") // there is no passcode to type
	v.TypesInto("#email", address)
	v.ClicksOn("#login .primary")
	passcode := s.Passcode(address)
	v.Finds(`document.activeElement.id`, "passcode")
	stop("passcode")
	v.Presses("000000"[:5] + string('0'+(passcode[5]-'0'+1)%10))
	v.Finds(`document.activeElement.getAttribute("aria-invalid")`, "true")
	stop("passcode-problem")
	v.TypesInto("#passcode", passcode)
	v.ClicksOn("#passcode-form .primary")
	v.Finds(`document.readyState === "complete" && location.pathname`, "/doorward/login/offer")
	stop("offer")

	v.Visits("/doorward/account")
	stop("account-empty")
	s.alsoSignedIn(address)
	v.ClicksOn("#passkey-add button")
	v.Finds(`document.readyState === "complete" && location.search`, "?done=passkey_added")
	v.ClicksOn("[name=passkey-0]:first-of-type summary")
	v.TypesInto("details[open] input[type=text]", "Ann’s laptop")
	v.ClicksOn("details[open] button")
	v.Finds(`document.querySelector("h3").textContent`, "Ann’s laptop")
	v.ClicksOn(addresses + "summary")
	v.TypesInto("#new-email", second)
	v.ClicksOn(addresses + "button")
	v.Finds(`document.activeElement.id`, "passcode")
	stop("verify")
	v.TypesInto("#passcode", s.Passcode(second))
	v.Finds(`document.readyState === "complete" && location.search`, "?done=address_added")
	v.Visits("/doorward/account")
	stop("account")
	v.ClicksOn(addresses + "summary")
	v.ClicksOn("[name=email-1] summary")
	v.ClicksOn(deletion + "summary")
	stop("account-forms")

	v.Visits("/admin/")
	stop("error-403")
	v.Visits("/doorward/nowhere")
	stop("error-404")
	v.Visits("/doorward/account")
	v.ClicksOn("footer button")
	v.IsAt("/doorward/signed-out")
	stop("signed-out")
	v.LosesCookies()
	v.Visits("/doorward/login/passcode?sent=1") // where a browser without cookies ends
	stop("loop")

	device.Holds(1)
	v.Visits("/wiki?page=2")
	v.IsAt("/wiki?page=2") // by the passkey
	v.Visits("/doorward/account")
	v.ClicksOn(deletion + "summary")
	v.ClicksOn("#delete-confirm")
	v.ClicksOn(deletion + "button")
	v.IsAt("/doorward/signed-out")
	stop("deleted")

	v.Visits("/doorward/account")
	s.SignsIn(v, address)
	s.Redis.Stop()
	v.Visits("/doorward/account")
	stop("error-503")
}

// introduce adds a user as an operator does.
func (s *Scene) introduce(address, name string, groups ...string) {
	s.t.Helper()
	args := []string{"users", "add", address, "--name", name}
	for _, group := range groups {
		args = append(args, "--group", group)
	}
	if output, err := s.Gateway.Run(args...); err != nil {
		s.t.Fatalf("adding %s: %v\n%s", address, err, output)
	}
}

// alsoSignedIn signs in to the account of address at a phone.
func (s *Scene) alsoSignedIn(address string) {
	s.t.Helper()
	phone := s.Visitor()
	phone.Uses("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1")
	phone.Visits("/wiki")
	s.SignsIn(phone, address)
	phone.IsAt("/wiki")
	if got := phone.Fetches("/wiki").Status; got != http.StatusOK {
		s.t.Fatalf("got %d on the phone, want 200", got)
	}
}
