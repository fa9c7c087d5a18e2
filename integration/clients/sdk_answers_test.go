package clients_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/clients"
	"github.com/doorward/doorward/integration/testbed"
)

func TestSDKHearsOfASessionThatWasEndedElsewhere(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Layout: clients.Layouts[3]})
	ann, away := s.Client(), s.Client()
	ann.Opens("sdk.html")
	signsUp(ann, t, "ann@example.com")
	away.Opens("sdk.html")
	signsUp(away, t, "ann@example.com")
	ann.Heard("session-created")
	away.Gets(`fetch(hanko.api + "/sessions/end-others", { method: "POST", headers: {
		Authorization: "Bearer " + hanko.session.get().jwt } }).then((r) => r.status)`, nil)
	ann.Fails("unauthorized", `hanko.user.getCurrent()`)
	ann.Heard("session-expired")
	away.Gets(`hanko.user.getCurrent()`, nil)
}

// Where tokens come in a header, Doorward's own pages go on with a cookie, and
// whoever has signed in there is signed in for the SDK's requests as well.
func TestDoorwardsOwnPagesStandBesideTheSDK(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Layout: clients.Layouts[1]})
	ann := s.Client()
	device := ann.HasAuthenticator()
	ann.Visits("/doorward/account")
	ann.TypesInto("#email", "ann@example.com")
	ann.ClicksOn("#login .primary")
	ann.TypesInto("#passcode", s.Passcode("ann@example.com"))
	ann.ClicksOn("#passkey-add .primary")
	ann.IsAt("/doorward/account")
	device.Holds(1)
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")
	ann.Visits("/whoami") // the device answers for its owner
	ann.Sees(`"Remote-User":["ann@example.com"]`)

	ann.Opens("sdk.html")
	var me user
	ann.Gets(`hanko.user.getCurrent()`, &me)
	if me.Email != "ann@example.com" {
		t.Errorf("got the user %+v, want the one who signed in at the page", me)
	}
	ann.Gets(`hanko.user.logout()`, nil)
	ann.Fails("unauthorized", `hanko.user.getCurrent()`)
}

func TestSDKIsToldWhenToAskForAPasscodeAgain(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Layout: clients.Layouts[2], Lookup: true})
	ann := s.Client()
	ann.Opens("sdk.html")
	var promised created
	ann.Gets(`hanko.user.create("ann@example.com")`, &promised)
	ask := `hanko.passcode.initialize(` + quote(promised.UserID) + `, ` + quote(promised.EmailID) + `, true)`
	const budget = 10 // letters to one address, an hour by the clock on the wall
	var refused clients.Outcome
	for range 2*budget + 1 {
		if refused = ann.Does(ask); refused.Error != "" {
			break
		}
	}
	if refused.Error != "tooManyRequests" || refused.RetryAfter <= 0 || refused.RetryAfter > 3600 {
		t.Errorf("got %+v after %d letters, want tooManyRequests and when to try again", refused, budget)
	}
	testbed.Eventually(t, 20*time.Second, fmt.Sprintf("%d letters", budget), func() bool { return len(s.Mailbox.All()) >= budget })
	// From now on, the SDK knows by itself.
	ann.Fails("tooManyRequests", ask)
}

func TestSDKIsToldOfPasscodesThatAreUsedUp(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Layout: clients.Layouts[0]})
	ann := s.Client()
	ann.Opens("sdk.html")
	var promised created
	ann.Gets(`hanko.user.create("ann@example.com")`, &promised)
	ann.Gets(`hanko.passcode.initialize(`+quote(promised.UserID)+`, `+quote(promised.EmailID)+`)`, nil)
	passcode := s.Passcode("ann@example.com")
	try := `hanko.passcode.finalize(` + quote(promised.UserID) + `, ` + quote(clients.Wrong(passcode)) + `)`
	ann.Fails("invalidPasscode", try)
	ann.Fails("invalidPasscode", try)
	ann.Fails("passcodeAttemptsReached", try)
	ann.Heard()
}

func TestSDKIsToldThatNobodyMaySignUp(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Layout: clients.Layouts[1], Lookup: true, Closed: true, Keeps: true})
	ann := s.Client()
	ann.Opens("sdk.html")
	ann.Fails("notFound", `hanko.user.getInfo("ann@example.com")`)
	ann.Fails("forbidden", `hanko.user.create("ann@example.com")`)
	var config struct {
		Account struct {
			Signup   bool `json:"allow_signup"`
			Deletion bool `json:"allow_deletion"`
		}
	}
	if ann.Gets(`hanko.config.get()`, &config); config.Account.Signup || config.Account.Deletion {
		t.Errorf("got the configuration %+v, want neither", config)
	}
}
