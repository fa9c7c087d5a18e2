package ceremony_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
)

// wantNobody reports a ceremony for IDs that nobody has, if it does not begin as
// any other, or if somebody is sent a letter for it.
func (r *rig) wantNobody(t testing.TB, what string, to ceremony.Recipient) {
	t.Helper()
	r.box.letters(t)
	begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, to)
	if err != nil || !begun.Withheld || !strings.HasSuffix(string(begun.Address), "@invalid") {
		t.Errorf("%s: %+v, %v; want a ceremony of nobody", what, begun, err)
	}
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("%s: %d letters, want none", what, len(letters))
	}
}

// Whether an account was made with IDs that were promised shows when the promise
// is forgotten, unless whoever names them is treated as before.
func TestNobodyLearnsFromAUserIDWhetherItIsAnAccounts(t *testing.T) {
	budgets := ceremony.Budgets{Letters: ceremony.Budget{Times: 2, Per: time.Hour}, Tries: ceremony.Budget{Times: 4, Per: time.Hour}}
	// told is what strangers see of everything that they can do with an ID.
	told := func(t *testing.T, account, closed bool) (seen []string) {
		r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: budgets}})
		promised := r.signUp(t, "new@example.com")
		if account {
			id, code := r.beginFor(t, ceremony.Recipient{UserID: promised.UserID})
			if in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); err != nil || in.User.ID != promised.UserID {
				t.Fatalf("made %s, %v; want %s", in.User.ID, err, promised.UserID)
			}
		}
		r.advance(2 * time.Hour)
		at := wideOpen
		if closed {
			at = nobodyDoor
		}
		see := func(err error) {
			var limit *ceremony.LimitError
			switch {
			case err == nil:
				seen = append(seen, "done")
			case errors.As(err, &limit):
				seen = append(seen, "limit "+limit.RetryAfter.String())
			default:
				seen = append(seen, err.Error())
			}
		}
		ask := func(to ceremony.Recipient) string {
			begun, err := r.passcodes.Initialize(t.Context(), site, at, browser, to)
			see(err)
			return begun.ID
		}
		guess := func(id string) {
			_, err := r.passcodes.Finalize(t.Context(), site, at, browser, ceremony.Answer{ID: id, Passcode: "wrong"})
			see(err)
		}
		byID, byAddress := ceremony.Recipient{UserID: promised.UserID}, ceremony.Recipient{Address: "new@example.com"}
		for _, order := range [][]ceremony.Recipient{
			{byID, byAddress},
			{byAddress, byID},
			{{UserID: promised.UserID, EmailID: uuid.NewString()}, byID, byAddress},
			{{UserID: promised.UserID, EmailID: promised.EmailID}, byAddress, byID},
		} {
			for _, to := range order { // until each of them is told that it has had enough
				first := ask(to)
				second := ask(to)
				ask(to)
				_, err := r.passcodes.Address(t.Context(), browser, first)
				see(err)
				for range 4 {
					guess(first)
				}
				guess(second)
				guess(second)
				late := ask(to)
				guess(late)
			}
			r.advance(time.Hour)
			late := ask(byID)
			r.advance(5 * time.Minute)
			guess(late)
			r.advance(55 * time.Minute)
		}
		return seen
	}
	for _, closed := range []bool{true, false} {
		has, hasNot := told(t, true, closed), told(t, false, closed)
		if a, b := strings.Join(has, "\n"), strings.Join(hasNot, "\n"); a != b {
			t.Errorf("with an account:\n%s\n\nwithout:\n%s", a, b)
		}
	}
}

// A guess must not be right by chance.
func TestCeremonyOfNobodyIsNeverAnswered(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Digits: 3}})
	begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, ceremony.Recipient{UserID: uuid.NewString()})
	if err != nil {
		t.Fatal(err)
	}
	code := r.unsent(t, begun.ID, 3)
	for i, want := range []error{ceremony.ErrWrongPasscode, ceremony.ErrWrongPasscode, ceremony.ErrTooManyAttempts, ceremony.ErrPasscodeGone} {
		if _, err := r.finalize(t, ceremony.Answer{ID: begun.ID, Passcode: code}); !errors.Is(err, want) {
			t.Errorf("answer %d: %v, want %v", i+1, err, want)
		}
	}
}

// Somebody who is signed in learns no more of others, and all of themselves.
func TestVisitorLearnsNothingOfOtherUserIDs(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	promised := r.signUp(t, "new@example.com")
	for name, id := range map[string]string{"Bob's": bob.ID, "a promised one": promised.UserID, "nobody's": uuid.NewString()} {
		for _, emailID := range []string{"", bob.Emails[0].ID, uuid.NewString()} {
			if err := r.initialize(t, ceremony.Recipient{UserID: id, EmailID: emailID, Visitor: ann.ID}); !errors.Is(err, ceremony.ErrOtherUser) {
				t.Errorf("%s with address %q: %v, want ErrOtherUser", name, emailID, err)
			}
		}
	}
	own := ceremony.Recipient{UserID: ann.ID, EmailID: bob.Emails[0].ID, Visitor: ann.ID}
	if err := r.initialize(t, own); !errors.Is(err, ceremony.ErrUnknownEmail) {
		t.Errorf("Ann with Bob's address: %v, want ErrUnknownEmail", err)
	}
}

// An ID is no secret: apps, logs and tokens show it. The address behind it is one.
func TestWhoNamesAUserIsNotToldTheirAddress(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	promised := r.signUp(t, "new@example.com")
	for _, id := range []string{ann.ID, promised.UserID} {
		begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, ceremony.Recipient{UserID: id})
		if err != nil {
			t.Fatal(err)
		}
		if address, err := r.passcodes.Address(t.Context(), browser, begun.ID); !errors.Is(err, ceremony.ErrPasscodeGone) || address != "" {
			t.Errorf("Address = %q, %v; want ErrPasscodeGone", address, err)
		}
	}
	added, err := r.accounts.AddAddress(t.Context(), browser, ann, "ann@work.example")
	if err != nil {
		t.Fatal(err)
	}
	begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, ceremony.Recipient{UserID: ann.ID, EmailID: added.ID, Visitor: ann.ID})
	if err != nil {
		t.Fatal(err)
	}
	if address, err := r.passcodes.Address(t.Context(), browser, begun.ID); err != nil || address != "ann@work.example" {
		t.Errorf("Address of what Ann adds = %q, %v; want it", address, err)
	}
}

// Whoever knows all addresses of an account must not have so many times the tries.
func TestAddressesOfAnAccountShareItsTries(t *testing.T) {
	for _, lookup := range []bool{true, false} {
		r := newRig(t, setup{
			passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Tries: ceremony.Budget{Times: 2, Per: time.Hour}}},
			account:  ceremony.AccountOptions{Lookup: lookup},
		})
		ann := r.user(t, "ann@example.com")
		r.addEmail(t, ann, "ann@work.example")
		id, code := r.begin(t, "ann@example.com")
		for range 2 {
			if _, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: other(code)}); !errors.Is(err, ceremony.ErrWrongPasscode) {
				t.Fatalf("guess: %v, want ErrWrongPasscode", err)
			}
		}
		id, code = r.begin(t, "ann@work.example")
		_, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code})
		if lookup {
			wantLimit(t, "third try, by her other address", err, time.Hour)
		} else if !errors.Is(err, ceremony.ErrWrongPasscode) { // whose else it is, is not told
			t.Errorf("third try, by her other address: %v, want ErrWrongPasscode, unseen", err)
		}
		r.advance(time.Hour)
		id, code = r.begin(t, "ann@work.example")
		if _, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	}
}
