package ceremony_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// add begins to add an address to user, and asks for the passcode.
func (r *rig) add(t testing.TB, user directory.User, address string) (directory.Email, ceremony.Answer) {
	t.Helper()
	added, err := r.accounts.AddAddress(t.Context(), browser, user, address)
	if err != nil {
		t.Fatalf("AddAddress(%s): %v", address, err)
	}
	return added, r.prove(t, user, added)
}

// prove asks for another passcode for an address that user adds.
func (r *rig) prove(t testing.TB, user directory.User, added directory.Email) ceremony.Answer {
	t.Helper()
	id, code := r.beginFor(t, ceremony.Recipient{UserID: user.ID, EmailID: added.ID, Visitor: user.ID})
	return ceremony.Answer{ID: id, Passcode: code, Visitor: user.ID}
}

func (r *rig) addresses(t testing.TB, user directory.User) []string {
	t.Helper()
	kept, err := r.directory.User(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, e := range kept.Emails {
		addresses = append(addresses, string(e.Address))
	}
	return addresses
}

func TestAddressIsAddedOnceItIsProved(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	added, err := r.accounts.AddAddress(t.Context(), browser, ann, "Ann@Work.example")
	if err != nil || added.Address != "ann@work.example" || added.Verified || added.Primary || uuid.Validate(added.ID) != nil || !added.CreatedAt.Equal(r.now()) {
		t.Fatalf("AddAddress = %+v, %v; want ann@work.example, new, neither verified nor primary", added, err)
	}
	if got := r.addresses(t, ann); len(got) != 1 {
		t.Errorf("addresses before the proof: %v", got)
	}
	begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser,
		ceremony.Recipient{UserID: ann.ID, EmailID: strings.ToUpper(added.ID), Visitor: ann.ID})
	if err != nil {
		t.Fatal(err)
	}
	letters := r.box.letters(t)
	if len(letters) != 1 || letters[0].To != "ann@work.example" || !strings.Contains(letters[0].Text, "add this e-mail address") {
		t.Fatalf("letters %v, want one to ann@work.example that says what the passcode does", letters)
	}
	in, err := r.finalize(t, ceremony.Answer{ID: begun.ID, Passcode: codePattern.FindString(letters[0].Subject), Visitor: ann.ID})
	if err != nil {
		t.Fatal(err)
	}
	if in.User.ID != ann.ID || in.Added != "ann@work.example" || in.Methods != nil || in.Created {
		t.Errorf("ended with %+v, want Ann, the address, and no sign-in", in)
	}
	kept, err := r.directory.User(t.Context(), ann.ID)
	if err != nil || len(kept.Emails) != 2 || len(in.User.Emails) != 2 {
		t.Fatalf("addresses %v in the directory (%v), %v returned; want two", kept.Emails, err, in.User.Emails)
	}
	for _, e := range []directory.Email{kept.Emails[1], in.User.Emails[1]} {
		if e.ID != added.ID || e.Address != "ann@work.example" || !e.Verified || e.Primary {
			t.Errorf("address %+v, want %s, verified, not primary", e, added.ID)
		}
	}
	letters = r.box.letters(t)
	if len(letters) != 1 || letters[0].To != "ann@example.com" || !strings.Contains(letters[0].Text, "ann@work.example") {
		t.Errorf("letters %v, want one that tells Ann where she was reached before", letters)
	}
	// From now on it signs her in.
	id, code := r.begin(t, "ann@work.example")
	if in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); err != nil || in.User.ID != ann.ID || in.Added != "" {
		t.Errorf("signed in %s (added %q), %v; want Ann", in.User.ID, in.Added, err)
	}
}

// Whoever got somebody to read a passcode out to them, or to type it at a page,
// must not get an address or a session for it.
func TestAdditionIsFinishedByWhoeverBeganIt(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	_, answer := r.add(t, ann, "ann@work.example")
	elsewhere := browser
	elsewhere.Binding = "browser-2"
	for name, visitor := range map[string]string{"nobody": "", "Bob": bob.ID} {
		stolen := answer
		stolen.Visitor = visitor
		for range 5 { // more than there are attempts: nothing is counted
			if in, err := r.finalize(t, stolen); !errors.Is(err, ceremony.ErrOtherUser) || in.User.ID != "" {
				t.Fatalf("answered by %s: %+v, %v; want ErrOtherUser", name, in, err)
			}
		}
	}
	if _, err := r.passcodes.Finalize(t.Context(), site, wideOpen, elsewhere, answer); !errors.Is(err, ceremony.ErrPasscodeGone) {
		t.Errorf("answered by Ann in another browser: %v, want ErrPasscodeGone", err)
	}
	wrong := answer
	wrong.Passcode = other(answer.Passcode)
	if _, err := r.finalize(t, wrong); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Errorf("wrong passcode: %v, want ErrWrongPasscode", err)
	}
	if got := r.addresses(t, ann); len(got) != 1 {
		t.Fatalf("Ann has %v by now, want one address", got)
	}
	if in, err := r.finalize(t, answer); err != nil || in.Added != "ann@work.example" {
		t.Errorf("answered by Ann: %q, %v", in.Added, err)
	}
}

func TestAdditionIsRefusedIfItsUserMayNotSignInAnyMore(t *testing.T) {
	for name, spoil := range map[string]func(r *rig, ann directory.User) error{
		"disabled": func(r *rig, ann directory.User) error { return r.directory.SetDisabled(t.Context(), ann.ID, true) },
		"removed":  func(r *rig, ann directory.User) error { return r.directory.RemoveUser(t.Context(), ann.ID) },
	} {
		r := newRig(t, setup{})
		ann := r.user(t, "ann@example.com")
		_, answer := r.add(t, ann, "ann@work.example")
		if err := spoil(r, ann); err != nil {
			t.Fatal(err)
		}
		if _, err := r.finalize(t, answer); !errors.Is(err, ceremony.ErrNotAllowed) {
			t.Errorf("%s: %v, want ErrNotAllowed", name, err)
		}
		if _, err := r.directory.UserByAddress(t.Context(), "ann@work.example"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: the address belongs to somebody: %v", name, err)
		}
	}
	r := newRig(t, setup{})
	_, answer := r.add(t, r.user(t, "ann@example.com"), "ann@work.example")
	if _, err := r.passcodes.Finalize(t.Context(), site, nobodyDoor, browser, answer); !errors.Is(err, ceremony.ErrNotAllowed) {
		t.Errorf("no longer admitted: %v, want ErrNotAllowed", err)
	}
}

// An address that somebody else has, or may soon have, is not for the asking:
// whether it is theirs is told only to whoever reads its mail.
func TestAddressOfSomebodyElseIsNotAdded(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	_, answer := r.add(t, ann, "bob@example.com")
	for range 2 { // and the passcode is not used up by it
		if _, err := r.finalize(t, answer); !errors.Is(err, ceremony.ErrOtherUser) {
			t.Errorf("Bob's address: %v, want ErrOtherUser", err)
		}
	}
	_, answer = r.add(t, ann, "team@example.com")
	r.addEmail(t, bob, "team@example.com")
	if _, err := r.finalize(t, answer); !errors.Is(err, ceremony.ErrOtherUser) {
		t.Errorf("Bob's address since a moment ago: %v, want ErrOtherUser", err)
	}
	if got := r.addresses(t, ann); len(got) != 1 {
		t.Errorf("Ann has %v, want one address", got)
	}
}

func TestOfTwoUsersWhoProveOneAddressOneGetsIt(t *testing.T) {
	const parallel = 8
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{
		Letters: ceremony.Budget{Times: 100, Per: time.Hour}, Tries: ceremony.Budget{Times: 100, Per: time.Hour},
	}}})
	answers, errs := make([]ceremony.Answer, parallel), make([]error, parallel)
	for i := range answers {
		_, answers[i] = r.add(t, r.user(t, fmt.Sprintf("user%d@example.com", i)), "team@example.com")
	}
	var all sync.WaitGroup
	for i, answer := range answers {
		all.Go(func() { _, errs[i] = r.passcodes.Finalize(t.Context(), site, wideOpen, browser, answer) })
	}
	all.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ceremony.ErrOtherUser):
			t.Errorf("user %d: %v, want ErrOtherUser", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d users have the address, want 1", won)
	}
}

func TestAddressIsAddedOnce(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	added, first := r.add(t, ann, "ann@work.example")
	second, third := r.prove(t, ann, added), r.prove(t, ann, added)
	if _, err := r.finalize(t, first); err != nil {
		t.Fatal(err)
	}
	r.box.letters(t)
	if in, err := r.finalize(t, second); err != nil || in.Added != "ann@work.example" || in.User.ID != ann.ID {
		t.Errorf("proved again: %+v, %v; want the same once more", in, err)
	}
	if got := len(r.box.letters(t)); got != 0 {
		t.Errorf("%d letters about what was there already", got)
	}
	ann, err := r.directory.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.accounts.RemoveAddress(t.Context(), site, browser, ann, added.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.finalize(t, third); !errors.Is(err, ceremony.ErrPasscodeGone) {
		t.Errorf("proved after it was removed: %v, want ErrPasscodeGone", err)
	}
	if got := r.addresses(t, ann); len(got) != 1 {
		t.Errorf("Ann has %v, want one address", got)
	}
}

func TestUserHasAsManyAddressesAsTheyMay(t *testing.T) {
	r := newRig(t, setup{account: ceremony.AccountOptions{MaxAddresses: 2}})
	if got := r.accounts.MaxAddresses(); got != 2 {
		t.Errorf("MaxAddresses = %d, want 2", got)
	}
	ann := r.user(t, "ann@example.com")
	_, second := r.add(t, ann, "ann@work.example")
	_, third := r.add(t, ann, "ann@home.example")
	if _, err := r.finalize(t, second); err != nil {
		t.Fatal(err)
	}
	if _, err := r.finalize(t, third); !errors.Is(err, ceremony.ErrTooManyAddresses) {
		t.Errorf("third address, begun when there was one: %v, want ErrTooManyAddresses", err)
	}
	ann, err := r.directory.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.accounts.AddAddress(t.Context(), browser, ann, "ann@home.example"); !errors.Is(err, ceremony.ErrTooManyAddresses) {
		t.Errorf("AddAddress with two: %v, want ErrTooManyAddresses", err)
	}
	if got := r.addresses(t, ann); len(got) != 2 {
		t.Errorf("Ann has %v, want two addresses", got)
	}
}

func TestAddressThatIsTakenIsNamedWhereStrangersMayKnow(t *testing.T) {
	for _, tt := range []struct {
		address string
		lookup  bool
		want    error
	}{
		{"ann@example.com", false, directory.ErrTaken},
		{"ANN@example.com", true, directory.ErrTaken},
		{"bob@example.com", false, nil},
		{"bob@example.com", true, directory.ErrTaken},
		{"new@example.com", true, nil},
		{"new", true, directory.ErrAddress},
		{"new@example.com\r\nBcc: eve@example.com", false, directory.ErrAddress},
	} {
		r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: tt.lookup}})
		ann := r.user(t, "ann@example.com")
		r.user(t, "bob@example.com")
		if _, err := r.accounts.AddAddress(t.Context(), browser, ann, tt.address); !errors.Is(err, tt.want) {
			t.Errorf("%q, look-up %v: %v, want %v", tt.address, tt.lookup, err, tt.want)
		}
	}
}

func TestOneUserBeginsALimitedNumberOfAdditions(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	for i := range 20 {
		if _, err := r.accounts.AddAddress(t.Context(), browser, ann, fmt.Sprintf("ann%d@work.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.accounts.AddAddress(t.Context(), browser, ann, "ann@work.example")
	wantLimit(t, "twenty-first address", err, time.Hour)
	if _, err := r.accounts.AddAddress(t.Context(), browser, bob, "bob@work.example"); err != nil {
		t.Errorf("another user: %v", err)
	}
}

func TestAdditionThatNobodyAsksAboutIsForgotten(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	added, _ := r.add(t, ann, "ann@work.example")
	r.advance(59 * time.Minute)
	late := r.prove(t, ann, added)
	r.advance(4 * time.Minute) // an hour since it was begun, minutes since it was asked about
	if _, err := r.finalize(t, late); err != nil {
		t.Errorf("proved in time: %v", err)
	}
	r.box.letters(t)
	added, _ = r.add(t, ann, "ann@home.example")
	r.advance(time.Hour)
	to := ceremony.Recipient{UserID: ann.ID, EmailID: added.ID, Visitor: ann.ID}
	if err := r.initialize(t, to); !errors.Is(err, ceremony.ErrUnknownEmail) {
		t.Errorf("passcode an hour later: %v, want ErrUnknownEmail", err)
	}
}
