package ceremony_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// A stranger who asks about an address from time to time would see by IDs that
// change, or that are forgotten sooner or later than others, when its owner makes
// an account and when they delete it. What they get is compared with what they
// get for somebody who has had an account all along, and for somebody who never
// has one.
func TestIDsDoNotTellWhenAnAccountIsMadeOrDeleted(t *testing.T) {
	addresses := []string{"ann@example.com", "bob@example.com", "nobody@example.com"}
	const ann = "ann@example.com" // who comes and goes
	for name, tt := range map[string]struct {
		every, silence time.Duration
		stay           [4]bool // without an account, after the sign-up, after the deletion, after the silence
	}{
		"asked all the time":                    {time.Minute, time.Minute, [4]bool{true, true, true, true}},
		"asked just in time":                    {59 * time.Minute, 59 * time.Minute, [4]bool{true, true, true, true}},
		"not asked for an hour after the end":   {time.Minute, time.Hour, [4]bool{true, true, true, false}},
		"asked every hour, which is not enough": {time.Hour, time.Hour, [4]bool{false, false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{
				Letters: ceremony.Budget{Times: 1000, Per: time.Hour},
			}}})
			r.user(t, "bob@example.com")
			promised := map[string]ceremony.SignUp{}
			for _, address := range addresses {
				promised[address] = r.signUp(t, address)
			}
			var account directory.User
			for i, step := range []func(){
				func() {},
				func() {
					id, code := r.beginFor(t, ceremony.Recipient{UserID: promised[ann].UserID})
					in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code})
					if err != nil || in.User.ID != promised[ann].UserID || in.User.Emails[0].ID != promised[ann].EmailID {
						t.Fatalf("made %+v, %v; want %+v", in.User, err, promised[ann])
					}
					account = in.User
				},
				func() {
					if err := r.accounts.Delete(t.Context(), site, browser, account); err != nil {
						t.Fatal(err)
					}
				},
				func() { r.advance(tt.silence - tt.every) },
			} {
				step()
				r.advance(tt.every)
				for _, address := range addresses {
					again := r.signUp(t, address)
					if stay := again == promised[address]; stay != tt.stay[i] {
						t.Errorf("step %d: %s is promised %+v after %+v; the same: %v, want %v", i, address, again, promised[address], stay, tt.stay[i])
					}
					promised[address] = again
				}
				r.box.letters(t)
			}
		})
	}
}

// The same by passcodes: for how long an ID is known, and what may be named with
// it, is the same whether there is an account with it or not.
func TestPromisedIDsAreGoodForTheirAddressWhoeverHasItByNow(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{
		Letters: ceremony.Budget{Times: 1000, Per: time.Hour}, Begun: ceremony.Budget{Times: 1000, Per: time.Hour},
	}}})
	r.user(t, "bob@example.com")
	eve := r.user(t, "eve@example.com")
	addresses := []string{"ann@example.com", "bob@example.com", "nobody@example.com"}
	promised := map[string]ceremony.SignUp{}
	for _, address := range addresses {
		promised[address] = r.signUp(t, address)
	}
	asked := func(step string) {
		t.Helper()
		for _, address := range addresses {
			p := promised[address]
			for _, to := range []ceremony.Recipient{{UserID: p.UserID}, {UserID: p.UserID, EmailID: p.EmailID}} {
				begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, to)
				if err != nil || string(begun.Address) != address {
					t.Errorf("%s: Initialize(%+v) = %s, %v; want %s", step, to, begun.Address, err, address)
				}
				to.Visitor = eve.ID
				if err := r.initialize(t, to); !errors.Is(err, ceremony.ErrOtherUser) {
					t.Errorf("%s: %s, with Eve signed in: %v, want ErrOtherUser", step, address, err)
				}
			}
			to := ceremony.Recipient{UserID: p.UserID, EmailID: uuid.NewString()}
			r.wantNobody(t, step+": "+address+" by another ID", to)
			to.Visitor = eve.ID
			if err := r.initialize(t, to); !errors.Is(err, ceremony.ErrOtherUser) {
				t.Errorf("%s: %s by another ID, with Eve signed in: %v, want ErrOtherUser", step, address, err)
			}
		}
		r.box.letters(t)
	}
	asked("before")
	id, code := r.beginFor(t, ceremony.Recipient{UserID: promised["ann@example.com"].UserID})
	in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code})
	if err != nil || in.User.ID != promised["ann@example.com"].UserID {
		t.Fatalf("made %s, %v; want what was promised", in.User.ID, err)
	}
	asked("after the sign-up")
	// Asking gives them another hour, though there is an account with them.
	r.advance(50 * time.Minute)
	asked("50 minutes later")
	r.advance(50 * time.Minute)
	if err := r.accounts.Delete(t.Context(), site, browser, in.User); err != nil {
		t.Fatal(err)
	}
	asked("after the deletion")
	r.advance(time.Hour)
	for _, address := range addresses {
		r.wantNobody(t, address+", an hour later", ceremony.Recipient{UserID: promised[address].UserID})
	}
}

// Who makes an account with one address, goes on with another and gives the first
// one up, leaves it to whoever has it next.
func TestPromiseOutlivesTheAddressOfItsAccount(t *testing.T) {
	r := newRig(t, setup{})
	promised := r.signUp(t, "ann@example.com")
	id, code := r.beginFor(t, ceremony.Recipient{UserID: promised.UserID})
	in, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code})
	if err != nil {
		t.Fatal(err)
	}
	work := r.addEmail(t, in.User, "ann@work.example")
	if in.User, err = r.directory.User(t.Context(), in.User.ID); err != nil {
		t.Fatal(err)
	}
	if in.User, err = r.accounts.SetPrimary(t.Context(), site, browser, in.User, work.ID); err != nil {
		t.Fatal(err)
	}
	if err = r.accounts.RemoveAddress(t.Context(), site, browser, in.User, promised.EmailID); err != nil {
		t.Fatal(err)
	}
	r.box.letters(t)
	again := r.signUp(t, "ann@example.com")
	if again != promised {
		t.Errorf("promised %+v, want %+v as before", again, promised)
	}
	id, code = r.beginFor(t, ceremony.Recipient{UserID: again.UserID, EmailID: again.EmailID})
	next, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code})
	if err != nil || !next.Created || next.User.ID == in.User.ID || next.User.Emails[0].Address != "ann@example.com" {
		t.Errorf("signed in %+v, %v; want a new user with the address", next.User, err)
	}
	// The account keeps its ID, and its own address with it.
	if begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, ceremony.Recipient{UserID: in.User.ID}); err != nil || begun.Address != "ann@work.example" {
		t.Errorf("passcode for the account goes to %s, %v; want its primary address", begun.Address, err)
	}
}
