package ceremony_test

import (
	"errors"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// Whoever is signed in and answers a ceremony of somebody else's would become
// them without noticing, or give them what is theirs.
func TestVisitorDoesNotBecomeSomebodyElse(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	for _, address := range []string{"ann@example.com", "new@example.com"} {
		id, code := r.begin(t, address)
		if _, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code, Visitor: bob.ID}); !errors.Is(err, ceremony.ErrOtherUser) {
			t.Errorf("Bob answers for %s: %v, want ErrOtherUser", address, err)
		}
		if _, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: other(code), Visitor: bob.ID}); !errors.Is(err, ceremony.ErrWrongPasscode) {
			t.Errorf("Bob answers wrongly for %s: %v, want ErrWrongPasscode, and no more", address, err)
		}
		// The passcode is as good as it was.
		if in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); err != nil || string(in.User.Emails[0].Address) != address {
			t.Errorf("the owner of %s afterwards: %v, %v", address, in.User.Emails, err)
		}
	}
	id, code := r.begin(t, "ann@example.com")
	if in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code, Visitor: ann.ID}); err != nil || in.User.ID != ann.ID || in.Added != "" {
		t.Errorf("Ann answers for herself: %s (added %q), %v; want Ann", in.User.ID, in.Added, err)
	}
}

// A refusal that costs nothing would be a way to guess.
func TestAnswersOfAnotherVisitorAreAttempts(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	bob := r.user(t, "bob@example.com")
	id, code := r.begin(t, "ann@example.com")
	for range 3 {
		if _, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code, Visitor: bob.ID}); !errors.Is(err, ceremony.ErrOtherUser) {
			t.Fatalf("Bob answers: %v, want ErrOtherUser", err)
		}
	}
	if _, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); !errors.Is(err, ceremony.ErrPasscodeGone) {
		t.Errorf("fourth answer: %v, want ErrPasscodeGone", err)
	}
}

// The ceremony knows the address and not the user: what a person no longer has
// is no way to become them.
func TestPasscodeForAnAddressThatWasRemovedSignsNobodyInAsTheOldUser(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	work := r.addEmail(t, ann, "ann@work.example")
	ann, err := r.directory.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	byID, codeByID := r.beginFor(t, ceremony.Recipient{UserID: ann.ID, EmailID: work.ID})
	closed, codeAtClosed := r.begin(t, "ann@work.example")
	if err := r.accounts.RemoveAddress(t.Context(), site, browser, ann, work.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: closed, Passcode: codeAtClosed}); !errors.Is(err, ceremony.ErrNotAllowed) {
		t.Errorf("where nobody signs up: %v, want ErrNotAllowed", err)
	}
	in, err := r.finalize(t, ceremony.Answer{ID: byID, Passcode: codeByID})
	if err != nil || in.User.ID == ann.ID || !in.Created {
		t.Errorf("where everybody signs up: %s (created: %v), %v; want somebody new", in.User.ID, in.Created, err)
	}
	r.wantNobody(t, "another passcode for it", ceremony.Recipient{UserID: ann.ID, EmailID: work.ID})
	kept, err := r.directory.User(t.Context(), ann.ID)
	if err != nil || len(kept.Emails) != 1 {
		t.Errorf("Ann has %v, %v; want one address", kept.Emails, err)
	}
}

func TestPasscodeForAnAddressThatChangedHandsSignsInItsOwner(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	shared := r.addEmail(t, ann, "team@example.com")
	id, code := r.beginFor(t, ceremony.Recipient{UserID: ann.ID, EmailID: shared.ID})
	if err := r.directory.RemoveEmail(t.Context(), ann.ID, shared.ID); err != nil {
		t.Fatal(err)
	}
	r.addEmail(t, bob, "team@example.com")
	if in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); err != nil || in.User.ID != bob.ID {
		t.Errorf("signed in %s, %v; want Bob", in.User.ID, err)
	}
}

func TestPasscodeForARemovedUserSignsNobodyInAsThem(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	id, code := r.beginFor(t, ceremony.Recipient{UserID: ann.ID})
	if err := r.accounts.Delete(t.Context(), site, browser, ann); err != nil {
		t.Fatal(err)
	}
	in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code})
	if err != nil || in.User.ID == ann.ID || !in.Created {
		t.Errorf("signed in %s (created: %v), %v; want somebody new", in.User.ID, in.Created, err)
	}
	if _, err := r.directory.User(t.Context(), ann.ID); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("Ann: %v, want ErrNotFound", err)
	}
}
