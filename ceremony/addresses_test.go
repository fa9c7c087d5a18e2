package ceremony_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/store"
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
	if err := r.accounts.RemoveAddress(t.Context(), site, browser, ann, added.ID); err != nil {
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

// The sign-in that it takes to add an address was recent when the addition was
// begun: no asking keeps it for longer.
func TestAdditionIsForgottenAfterAnHour(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	added, _ := r.add(t, ann, "ann@work.example")
	to := ceremony.Recipient{UserID: ann.ID, EmailID: added.ID, Visitor: ann.ID}
	r.advance(30 * time.Minute)
	r.prove(t, ann, added)
	r.wantNobody(t, "asked about by a stranger", ceremony.Recipient{UserID: ann.ID, EmailID: added.ID})
	r.advance(29 * time.Minute)
	late := r.prove(t, ann, added)
	r.advance(2 * time.Minute)
	if _, err := r.finalize(t, late); !errors.Is(err, ceremony.ErrPasscodeGone) {
		t.Errorf("proved after an hour: %v, want ErrPasscodeGone", err)
	}
	if err := r.initialize(t, to); !errors.Is(err, ceremony.ErrUnknownEmail) {
		t.Errorf("passcode an hour later: %v, want ErrUnknownEmail", err)
	}
	if got := r.addresses(t, ann); len(got) != 1 {
		t.Errorf("Ann has %v, want one address", got)
	}
}

// A takingStore has what is read taken by another request at once.
type takingStore struct {
	store.Store
	prefix string
}

func (s takingStore) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Store.Get(ctx, key)
	if err == nil && strings.HasPrefix(key, s.prefix) {
		_, err = s.Store.Take(ctx, key)
	}
	return value, err
}

// An ID that came back to life would be given to an address twice: again after
// its owner has removed it.
func TestAdditionThatIsDoneWhileItIsReadStaysDone(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	added, err := r.accounts.AddAddress(t.Context(), browser, ann, "ann@work.example")
	if err != nil {
		t.Fatal(err)
	}
	racing := r.passcodesOn(takingStore{r.store, "address/"})
	to := ceremony.Recipient{UserID: ann.ID, EmailID: added.ID, Visitor: ann.ID}
	begun, err := racing.Initialize(t.Context(), site, wideOpen, browser, to)
	if err != nil {
		t.Fatal(err)
	}
	answer := ceremony.Answer{ID: begun.ID, Passcode: r.box.passcode(t), Visitor: ann.ID}
	if _, err := r.finalize(t, answer); !errors.Is(err, ceremony.ErrPasscodeGone) {
		t.Errorf("what was done meanwhile is done again: %v, want ErrPasscodeGone", err)
	}
	if err := r.initialize(t, to); !errors.Is(err, ceremony.ErrUnknownEmail) {
		t.Errorf("another passcode: %v, want ErrUnknownEmail", err)
	}
}

func TestUnverifiedAddressThatIsProvedIsToldAsOneThatIsAdded(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	_, answer := r.add(t, ann, "ann@work.example")
	if _, err := r.directory.AddEmail(t.Context(), ann.ID, directory.NewEmail{Address: "ann@work.example"}, 20); err != nil {
		t.Fatal(err) // by an operator, say
	}
	in, err := r.finalize(t, answer)
	if err != nil || in.Added != "ann@work.example" || !in.User.Emails[1].Verified {
		t.Errorf("ended with %+v, %v; want the address, verified", in, err)
	}
	if letters := r.box.letters(t); len(letters) != 1 || letters[0].To != "ann@example.com" || !strings.Contains(letters[0].Text, "ann@work.example") {
		t.Errorf("letters %v, want one that tells Ann at her primary address", letters)
	}
}

func TestOneUserChangesTheirAddressesALimitedNumberOfTimes(t *testing.T) {
	r := newRig(t, setup{account: ceremony.AccountOptions{Changes: ceremony.Budget{Times: 2, Per: time.Hour}}})
	var users []directory.User
	for _, name := range []string{"ann", "bob"} {
		user := r.user(t, name+"@example.com")
		r.addEmail(t, user, name+"@work.example")
		user, err := r.directory.User(t.Context(), user.ID)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, user)
	}
	ann, bob := users[0], users[1]
	for _, e := range []directory.Email{ann.Emails[1], ann.Emails[0]} {
		if _, err := r.accounts.SetPrimary(t.Context(), site, browser, ann, e.ID); err != nil {
			t.Fatal(err)
		}
	}
	r.box.letters(t)
	_, err := r.accounts.SetPrimary(t.Context(), site, browser, ann, ann.Emails[1].ID)
	wantLimit(t, "third change", err, time.Hour)
	err = r.accounts.RemoveAddress(t.Context(), site, browser, ann, ann.Emails[1].ID)
	wantLimit(t, "third change, a removal", err, time.Hour)
	kept, err := r.directory.User(t.Context(), ann.ID)
	if primary, _ := kept.Primary(); err != nil || len(kept.Emails) != 2 || primary.Address != "ann@example.com" || len(r.box.letters(t)) != 0 {
		t.Errorf("Ann has %+v (%v), or was told; want nothing changed", kept.Emails, err)
	}
	if err := r.accounts.RemoveAddress(t.Context(), site, browser, bob, bob.Emails[1].ID); err != nil {
		t.Errorf("another user: %v", err)
	}
	r.advance(time.Hour)
	if err := r.accounts.RemoveAddress(t.Context(), site, browser, ann, ann.Emails[1].ID); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}
