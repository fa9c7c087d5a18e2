package ceremony_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// signUp begins to make an account at a door that is open to everybody.
func (r *rig) signUp(t testing.TB, address string) ceremony.SignUp {
	t.Helper()
	promised, _, err := r.accounts.SignUp(t.Context(), wideOpen, browser, address)
	if err != nil {
		t.Fatalf("SignUp(%s): %v", address, err)
	}
	return promised
}

func TestAccountHasTheIDsThatWerePromised(t *testing.T) {
	for name, spell := range map[string]func(string) string{"as promised": strings.Clone, "in capitals": strings.ToUpper} {
		for _, withEmail := range []bool{false, true} {
			r := newRig(t, setup{})
			promised := r.signUp(t, "New@Example.com")
			if uuid.Validate(promised.UserID) != nil || uuid.Validate(promised.EmailID) != nil || promised.UserID == promised.EmailID {
				t.Fatalf("promised %+v, want two UUIDs", promised)
			}
			if _, err := r.directory.UserByAddress(t.Context(), "new@example.com"); !errors.Is(err, directory.ErrNotFound) {
				t.Fatalf("a promise made a user: %v", err)
			}
			to := ceremony.Recipient{UserID: spell(promised.UserID)}
			if withEmail {
				to.EmailID = spell(promised.EmailID)
			}
			id, code := r.beginFor(t, to)
			in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code})
			if err != nil {
				t.Fatalf("%s, with the address %v: %v", name, withEmail, err)
			}
			kept, err := r.directory.User(t.Context(), promised.UserID)
			if err != nil || in.User.ID != promised.UserID || !in.Created || len(kept.Emails) != 1 {
				t.Fatalf("made %s (created: %v) with %v, %v; want %s", in.User.ID, in.Created, kept.Emails, err, promised.UserID)
			}
			if e := kept.Emails[0]; e.ID != promised.EmailID || e.Address != "new@example.com" || !e.Verified || !e.Primary {
				t.Errorf("address %+v, want %s, verified and primary", e, promised.EmailID)
			}
		}
	}
}

func TestWhoAsksAgainIsPromisedTheSame(t *testing.T) {
	r := newRig(t, setup{})
	promised := r.signUp(t, "new@example.com")
	r.advance(59 * time.Minute)
	if again := r.signUp(t, "NEW@example.com"); again != promised {
		t.Errorf("promised %+v an hour later, want %+v", again, promised)
	}
	if another := r.signUp(t, "another@example.com"); another.UserID == promised.UserID || another.EmailID == promised.EmailID {
		t.Errorf("another address is promised %+v as well", another)
	}
	// What was said a moment ago is good, whenever it was said first.
	r.advance(59 * time.Minute)
	if again := r.signUp(t, "new@example.com"); again != promised {
		t.Errorf("promised %+v two hours later, want %+v", again, promised)
	}
	r.advance(59 * time.Minute)
	id, code := r.beginFor(t, ceremony.Recipient{UserID: promised.UserID})
	r.advance(4 * time.Minute)
	if in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); err != nil || in.User.ID != promised.UserID {
		t.Errorf("made %s, %v; want %s", in.User.ID, err, promised.UserID)
	}
}

func TestPromiseThatNobodyAsksAboutIsForgotten(t *testing.T) {
	r := newRig(t, setup{})
	promised := r.signUp(t, "new@example.com")
	r.advance(time.Hour)
	r.wantNobody(t, "passcode for it", ceremony.Recipient{UserID: promised.UserID})
	if again := r.signUp(t, "new@example.com"); again.UserID == promised.UserID {
		t.Error("promised the same after it was forgotten")
	}
}

func TestConcurrentSignUpsArePromisedTheSame(t *testing.T) {
	const parallel = 50
	r := newRig(t, setup{})
	promises, errs := make([]ceremony.SignUp, parallel), make([]error, parallel)
	var all sync.WaitGroup
	for i := range parallel {
		all.Go(func() {
			promises[i], _, errs[i] = r.accounts.SignUp(t.Context(), wideOpen, browser, "new@example.com")
			if errs[i] == nil { // it is good at once
				_, errs[i] = r.passcodes.Initialize(t.Context(), site, wideOpen, browser, ceremony.Recipient{UserID: promises[i].UserID})
			}
			var limit *ceremony.LimitError
			if errors.As(errs[i], &limit) { // of letters to one address
				errs[i] = nil
			}
		})
	}
	all.Wait()
	for i, promised := range promises {
		if errs[i] != nil || promised != promises[0] {
			t.Errorf("call %d was promised %+v, %v; want %+v", i, promised, errs[i], promises[0])
		}
	}
}

// An ID is never used again, or what somebody remembers of the first user would
// be the second one's.
func TestPromiseIsRedeemedOnce(t *testing.T) {
	r := newRig(t, setup{})
	promised := r.signUp(t, "new@example.com")
	first, code := r.beginFor(t, ceremony.Recipient{UserID: promised.UserID})
	second, codeOfSecond := r.beginFor(t, ceremony.Recipient{UserID: promised.UserID})
	in, err := r.finalize(t, ceremony.Answer{ID: first, Passcode: code})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.accounts.Delete(t.Context(), site, browser, in.User); err != nil {
		t.Fatal(err)
	}
	in, err = r.finalize(t, ceremony.Answer{ID: second, Passcode: codeOfSecond})
	if err != nil || !in.Created || in.User.ID == promised.UserID || in.User.Emails[0].ID == promised.EmailID {
		t.Errorf("made %+v, %v; want a user with other IDs", in.User, err)
	}
	if err := r.accounts.Delete(t.Context(), site, browser, in.User); err != nil {
		t.Fatal(err)
	}
	r.box.letters(t)
	// What was promised is still a name of the address, however long somebody asks.
	for range 3 {
		if again := r.signUp(t, "new@example.com"); again != promised {
			t.Fatalf("promised %+v, want %+v as before", again, promised)
		}
		r.advance(40 * time.Minute)
		third, codeOfThird := r.beginFor(t, ceremony.Recipient{UserID: promised.UserID})
		again, err := r.finalize(t, ceremony.Answer{ID: third, Passcode: codeOfThird})
		if err != nil || !again.Created || again.User.ID == promised.UserID || again.User.ID == in.User.ID {
			t.Fatalf("made %+v, %v; want a user with an ID that was never used", again.User, err)
		}
		if err := r.accounts.Delete(t.Context(), site, browser, again.User); err != nil {
			t.Fatal(err)
		}
		r.box.letters(t)
	}
}

func TestConcurrentAnswersMakeOneUser(t *testing.T) {
	const parallel = 10
	r := newRig(t, setup{})
	promised := r.signUp(t, "new@example.com")
	answers := make([]ceremony.Answer, parallel)
	for i := range answers {
		answers[i].ID, answers[i].Passcode = r.beginFor(t, ceremony.Recipient{UserID: promised.UserID})
	}
	ins, errs := make([]ceremony.SignIn, parallel), make([]error, parallel)
	var all sync.WaitGroup
	for i, answer := range answers {
		all.Go(func() { ins[i], errs[i] = r.passcodes.Finalize(t.Context(), site, wideOpen, browser, answer) })
	}
	all.Wait()
	created := 0
	for i, in := range ins {
		if errs[i] != nil || in.User.ID != ins[0].User.ID {
			t.Errorf("answer %d signed in %s, %v; want %s", i, in.User.ID, errs[i], ins[0].User.ID)
		}
		if in.Created {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d answers made the user, want 1", created)
	}
}

// Where nobody may look addresses up, POST /users is not the way to do it.
func TestNobodyLearnsFromSignUpWhoHasAnAccount(t *testing.T) {
	for _, tt := range []struct {
		name, address string
		door          door
		closed        bool
		letters       int
		signsIn       bool // as the account that was there
	}{
		{"has an account", "ann@example.com", knownOnly, false, 1, true},
		{"has an account, and nobody signs up", "ann@example.com", knownOnly, true, 1, true},
		{"waits for their first sign-in", "waiting@example.com", knownOnly, false, 1, true},
		{"is disabled", "disabled@example.com", knownOnly, false, 0, false},
		{"is not admitted", "ann@example.com", nobodyDoor, false, 0, false},
		{"is a stranger who may not sign up", "new@example.com", knownOnly, false, 0, false},
		{"is a stranger where nobody signs up", "new@example.com", knownOnly, true, 0, false},
		{"is a stranger who may sign up", "new@example.com", wideOpen, false, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{account: ceremony.AccountOptions{Closed: tt.closed}})
			r.user(t, "ann@example.com")
			if err := r.directory.SetDisabled(t.Context(), r.user(t, "disabled@example.com").ID, true); err != nil {
				t.Fatal(err)
			}
			if _, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "waiting@example.com", Added: true}); err != nil {
				t.Fatal(err)
			}
			promised, limit, err := r.accounts.SignUp(t.Context(), tt.door, browser, tt.address)
			if err != nil || limit != (ceremony.Limit{Times: 60, Remaining: 59, Reset: time.Hour}) {
				t.Fatalf("SignUp: %+v, %v; want a promise for everybody, and 59 left", limit, err)
			}
			begun, err := r.passcodes.Initialize(t.Context(), site, tt.door, browser, ceremony.Recipient{UserID: promised.UserID})
			if err != nil || string(begun.Address) != tt.address {
				t.Fatalf("Initialize = %q, %v; want a ceremony for everybody", begun.Address, err)
			}
			letters := r.box.letters(t)
			if len(letters) != tt.letters {
				t.Fatalf("%d letters, want %d", len(letters), tt.letters)
			}
			if tt.letters == 0 {
				return
			}
			answer := ceremony.Answer{ID: begun.ID, Passcode: codePattern.FindString(letters[0].Subject)}
			in, err := r.passcodes.Finalize(t.Context(), site, tt.door, browser, answer)
			if err != nil || in.Created == tt.signsIn || (in.User.ID == promised.UserID) == tt.signsIn {
				t.Errorf("signed in %s (created: %v), %v; promised was %s", in.User.ID, in.Created, err, promised.UserID)
			}
		})
	}
}

func TestSignUpTellsWhoHasAnAccountWhereStrangersMayKnow(t *testing.T) {
	for _, tt := range []struct {
		name, address string
		door          door
		closed        bool
		want          error
	}{
		{"has an account", "ann@example.com", wideOpen, false, ceremony.ErrAccountExists},
		{"has an account, and nobody signs up", "ann@example.com", knownOnly, true, ceremony.ErrAccountExists},
		{"may sign up", "new@example.com", wideOpen, false, nil},
		{"may not sign up", "new@example.com", knownOnly, false, ceremony.ErrNotAllowed},
		{"could sign up where nobody does", "new@example.com", wideOpen, true, ceremony.ErrNotAllowed},
		{"waits for their first sign-in", "waiting@example.com", knownOnly, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: true, Closed: tt.closed}})
			r.user(t, "ann@example.com")
			waiting, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "waiting@example.com", Added: true})
			if err != nil {
				t.Fatal(err)
			}
			promised, limit, err := r.accounts.SignUp(t.Context(), tt.door, browser, tt.address)
			if !errors.Is(err, tt.want) || limit.Remaining != 59 {
				t.Errorf("SignUp: %v, %d left; want %v, 59", err, limit.Remaining, tt.want)
			}
			if (promised == ceremony.SignUp{}) != (tt.want != nil) {
				t.Errorf("promised %+v with %v", promised, err)
			}
			if named := promised == (ceremony.SignUp{UserID: waiting.ID, EmailID: waiting.Emails[0].ID}); named != (tt.address == "waiting@example.com") {
				t.Errorf("promised %+v, the account that waits is %s", promised, waiting.ID)
			}
		})
	}
}

func TestOneNetworkBeginsALimitedNumberOfSignUps(t *testing.T) {
	for _, lookup := range []bool{false, true} {
		r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: lookup, SignUps: ceremony.Budget{Times: 2, Per: time.Hour}}})
		r.user(t, "ann@example.com")
		ask := func(address, network string) (ceremony.Limit, error) {
			_, limit, err := r.accounts.SignUp(t.Context(), wideOpen, ceremony.Client{Network: network}, address)
			return limit, err
		}
		for _, address := range []string{"", "ann", "ann@localhost"} {
			if _, err := ask(address, "192.0.2.1"); !errors.Is(err, directory.ErrAddress) {
				t.Errorf("SignUp(%q) = %v, want ErrAddress, and no cost", address, err)
			}
		}
		for _, address := range []string{"new@example.com", "ann@example.com"} {
			if _, err := ask(address, "192.0.2.1"); err != nil && !errors.Is(err, ceremony.ErrAccountExists) {
				t.Fatal(err)
			}
		}
		limit, err := ask("third@example.com", "192.0.2.1")
		wantLimit(t, "third sign-up", err, time.Hour)
		if want := (ceremony.Limit{Times: 2, Reset: time.Hour}); limit != want {
			t.Errorf("limit %+v, want %+v", limit, want)
		}
		if _, err := ask("third@example.com", "192.0.2.2"); err != nil {
			t.Errorf("another network: %v", err)
		}
	}
}
