package ceremony_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// addEmail gives a user one more address, which they have proved to own.
func (r *rig) addEmail(t testing.TB, user directory.User, address string) directory.Email {
	t.Helper()
	e, err := r.directory.AddEmail(t.Context(), user.ID, directory.NewEmail{Address: directory.Address(address), Verified: true}, 20)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPasscodeGoesToTheUserWhoIsNamed(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	work := r.addEmail(t, ann, "ann@work.example")
	for _, tt := range []struct {
		name string
		to   ceremony.Recipient
		want string
	}{
		{"at the primary address by default", ceremony.Recipient{UserID: ann.ID}, "ann@example.com"},
		{"at the address that is named", ceremony.Recipient{UserID: ann.ID, EmailID: work.ID}, "ann@work.example"},
		{"who is signed in", ceremony.Recipient{UserID: ann.ID, Visitor: ann.ID}, "ann@example.com"},
		{"in capitals, as Swift writes a UUID", ceremony.Recipient{UserID: strings.ToUpper(ann.ID), EmailID: strings.ToUpper(work.ID)}, "ann@work.example"},
	} {
		begun, err := r.passcodes.Initialize(t.Context(), site, knownOnly, browser, tt.to)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		letters := r.box.letters(t)
		if len(letters) != 1 || letters[0].To != tt.want || string(begun.Address) != tt.want {
			t.Errorf("%s: %d letters, to %s; want one to %s", tt.name, len(letters), begun.Address, tt.want)
			continue
		}
		answer := ceremony.Answer{ID: strings.ToUpper(begun.ID), Passcode: codePattern.FindString(letters[0].Subject)}
		if in, err := r.finalize(t, answer); err != nil || in.User.ID != ann.ID {
			t.Errorf("%s: signed in %s, %v; want Ann", tt.name, in.User.ID, err)
		}
	}
}

func TestPasscodeForNobodyIsRefusedWhereStrangersMayKnow(t *testing.T) {
	r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: true}})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	adding, err := r.accounts.AddAddress(t.Context(), browser, ann, "ann@work.example")
	if err != nil {
		t.Fatal(err)
	}
	bobsAddition, err := r.accounts.AddAddress(t.Context(), browser, bob, "bob@work.example")
	if err != nil {
		t.Fatal(err)
	}
	promised, _, err := r.accounts.SignUp(t.Context(), wideOpen, browser, "new@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		to   ceremony.Recipient
		want error
	}{
		{"an address and a user", ceremony.Recipient{Address: "ann@example.com", UserID: ann.ID}, ceremony.ErrMalformed},
		{"an address and the ID of one", ceremony.Recipient{Address: "ann@example.com", EmailID: ann.Emails[0].ID}, ceremony.ErrMalformed},
		{"the ID of an address of nobody", ceremony.Recipient{EmailID: ann.Emails[0].ID}, ceremony.ErrMalformed},
		{"nothing", ceremony.Recipient{}, directory.ErrAddress},
		{"a user whom nobody knows", ceremony.Recipient{UserID: uuid.NewString()}, ceremony.ErrUnknownUser},
		{"a user ID that is none", ceremony.Recipient{UserID: "ann"}, ceremony.ErrUnknownUser},
		{"an address's ID as a user's", ceremony.Recipient{UserID: ann.Emails[0].ID}, ceremony.ErrUnknownUser},
		{"an address that nobody knows", ceremony.Recipient{UserID: ann.ID, EmailID: uuid.NewString()}, ceremony.ErrUnknownEmail},
		{"an address ID that is none", ceremony.Recipient{UserID: ann.ID, EmailID: "../" + ann.Emails[0].ID}, ceremony.ErrUnknownEmail},
		{"Bob's address", ceremony.Recipient{UserID: ann.ID, EmailID: bob.Emails[0].ID}, ceremony.ErrUnknownEmail},
		{"Ann, with Bob signed in", ceremony.Recipient{UserID: ann.ID, Visitor: bob.ID}, ceremony.ErrOtherUser},
		{"Ann's address, with Bob signed in", ceremony.Recipient{UserID: ann.ID, EmailID: ann.Emails[0].ID, Visitor: bob.ID}, ceremony.ErrOtherUser},
		{"what Ann adds, with nobody signed in", ceremony.Recipient{UserID: ann.ID, EmailID: adding.ID}, ceremony.ErrUnknownEmail},
		{"what Ann adds, with Bob signed in", ceremony.Recipient{UserID: ann.ID, EmailID: adding.ID, Visitor: bob.ID}, ceremony.ErrOtherUser},
		{"what Bob adds, as Ann", ceremony.Recipient{UserID: ann.ID, EmailID: bobsAddition.ID, Visitor: ann.ID}, ceremony.ErrUnknownEmail},
		{"a promise with Ann's address", ceremony.Recipient{UserID: promised.UserID, EmailID: ann.Emails[0].ID}, ceremony.ErrUnknownEmail},
		{"a promise with Ann's address, with Ann signed in", ceremony.Recipient{UserID: promised.UserID, EmailID: ann.Emails[0].ID, Visitor: ann.ID}, ceremony.ErrOtherUser}, // as with Bob
		{"Bob with Ann's address, with Ann signed in", ceremony.Recipient{UserID: bob.ID, EmailID: ann.Emails[0].ID, Visitor: ann.ID}, ceremony.ErrOtherUser},
		{"a promise, with Ann signed in", ceremony.Recipient{UserID: promised.UserID, Visitor: ann.ID}, ceremony.ErrOtherUser},
	} {
		if err := r.initialize(t, tt.to); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if got := len(r.box.letters(t)); got != 0 {
		t.Errorf("%d letters were sent, want none", got)
	}
}

// What is left of an address's letters would tell whoever asks for one that
// somebody else has asked, too: its owner is about to sign in.
func TestWhoeverAsksForAPasscodeIsToldWhatIsLeftToTheirNetwork(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{
		Letters: ceremony.Budget{Times: 3, Per: time.Hour}, Begun: ceremony.Budget{Times: 5, Per: 30 * time.Minute},
	}}})
	r.advance(10 * time.Minute)
	ask := func(network, address string) (ceremony.Limit, error) {
		c := browser
		c.Network = network
		begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, c, ceremony.Recipient{Address: address})
		return begun.Limit, err
	}
	const stranger, owner, nobodyYet = "198.51.100.1", "192.0.2.1", "203.0.113.1"
	for i, tt := range []struct {
		network, address string
		remaining        int64
	}{
		{owner, "ann@example.com", 4},
		{owner, "ann@example.com", 3},
		{stranger, "ann@example.com", 4}, // the last letter to her
		{stranger, "bob@example.com", 3}, // the first to him
	} {
		want := ceremony.Limit{Times: 5, Remaining: tt.remaining, Reset: 20 * time.Minute}
		if got, err := ask(tt.network, tt.address); err != nil || got != want {
			t.Errorf("ceremony %d: %+v, %v; want %+v", i+1, got, err, want)
		}
	}
	for range 3 {
		if _, err := ask(owner, "cleo@example.com"); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		network, address string
		want             ceremony.Limit
	}{
		"for the address": {nobodyYet, "ann@example.com", ceremony.Limit{Times: 3, Reset: 50 * time.Minute}},
		"of the network":  {owner, "eve@example.com", ceremony.Limit{Times: 5, Reset: 20 * time.Minute}},
	} {
		_, err := ask(tt.network, tt.address)
		var limit *ceremony.LimitError
		if !errors.As(err, &limit) || limit.Limit != tt.want || limit.RetryAfter != tt.want.Reset {
			t.Errorf("spent %s: %v (%+v), want a LimitError with %+v", name, err, limit, tt.want)
		}
	}
}

// Naming a user instead of an address must not be a way around the budgets.
func TestUserAndAddressAreOneBudget(t *testing.T) {
	for _, lookup := range []bool{true, false} {
		r := newRig(t, setup{
			passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Letters: ceremony.Budget{Times: 3, Per: time.Hour}}},
			account:  ceremony.AccountOptions{Lookup: lookup},
		})
		promised := r.signUp(t, "ann@example.com")
		ann := r.user(t, "ann@example.com")
		ways := []ceremony.Recipient{{Address: "ann@example.com"}, {UserID: ann.ID}, {UserID: promised.UserID}}
		for i, to := range ways {
			if err := r.initialize(t, to); err != nil {
				t.Fatalf("letter %d: %v", i+1, err)
			}
		}
		if got := len(r.box.letters(t)); got != 3 {
			t.Errorf("%d letters, want 3", got)
		}
		for i, to := range ways {
			what := fmt.Sprintf("one letter more, asked for in way %d", i+1)
			if lookup {
				wantLimit(t, what, r.initialize(t, to), time.Hour)
			} else if err := r.initialize(t, to); err != nil { // it tells that it is one budget
				t.Errorf("%s: %v, want a ceremony", what, err)
			}
		}
		if got := len(r.box.letters(t)); got != 0 {
			t.Errorf("%d letters more, want none", got)
		}
	}
}

// Whoever tries user IDs reads the directory each time.
func TestUnknownUsersCostTheBudgetOfTheNetwork(t *testing.T) {
	for lookup, want := range map[bool]error{true: ceremony.ErrUnknownUser, false: nil} {
		r := newRig(t, setup{
			passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Begun: ceremony.Budget{Times: 2, Per: time.Hour}}},
			account:  ceremony.AccountOptions{Lookup: lookup},
		})
		for range 2 {
			if err := r.initialize(t, ceremony.Recipient{UserID: uuid.NewString()}); !errors.Is(err, want) {
				t.Fatalf("unknown user, look-up %v: %v, want %v", lookup, err, want)
			}
		}
		wantLimit(t, "third unknown user", r.initialize(t, ceremony.Recipient{UserID: uuid.NewString()}), time.Hour)
	}
}
