package ceremony_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/secret"
)

// unsent returns the passcode of a ceremony whose letter was not sent, found by
// trying all of them against what is kept. Only whoever has the operator's
// secret can do that.
func (r *rig) unsent(t *testing.T, id string, digits int) string {
	t.Helper()
	value, err := r.store.Get(t.Context(), "passcode/"+id)
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		MAC []byte `json:"mac"`
	}
	if err := json.Unmarshal(value, &kept); err != nil {
		t.Fatal(err)
	}
	ring, err := secret.NewRing([]byte("a secret of thirty-two bytes 123"))
	if err != nil {
		t.Fatal(err)
	}
	mac := ring.MAC("passcode")
	for n, limit := 0, pow10(digits); n < limit; n++ {
		if code := fmt.Sprintf("%0*d", digits, n); mac.Verify(kept.MAC, id, code) {
			return code
		}
	}
	t.Fatal("no passcode matches what is kept")
	return ""
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

// Whoever asks for a passcode must not learn whether the address has an account
// (CVE-2023-39522). And if no letter went out, not even the right passcode helps.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	tests := []struct {
		name, address string
		door          door
		letters       int
	}{
		{"known and admitted", "ann@example.com", knownOnly, 1},
		{"unknown", "nobody@example.com", knownOnly, 0},
		{"disabled", "disabled@example.com", knownOnly, 0},
		{"known, not admitted", "ann@example.com", nobodyDoor, 0},
		{"unknown, at a door that is open to anybody", "new@example.com", wideOpen, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Digits: 3}})
			r.user(t, "ann@example.com")
			if err := r.directory.SetDisabled(t.Context(), r.user(t, "disabled@example.com").ID, true); err != nil {
				t.Fatal(err)
			}
			begun, err := r.passcodes.Initialize(t.Context(), site, tt.door, browser, ceremony.Recipient{Address: tt.address})
			if err != nil {
				t.Fatal(err)
			}
			want := ceremony.Passcode{
				ID: begun.ID, Address: directory.Address(tt.address), CreatedAt: r.now(), Lifetime: 5 * time.Minute,
				Limit: ceremony.Limit{Times: 100, Remaining: 99, Reset: time.Hour}, Withheld: tt.letters == 0,
			}
			if begun != want || uuid.Validate(begun.ID) != nil {
				t.Errorf("Initialize = %+v, want %+v with a UUID", begun, want)
			}
			if got := len(r.box.letters(t)); got != tt.letters {
				t.Errorf("%d letters, want %d", got, tt.letters)
			}
			if address, err := r.passcodes.Address(t.Context(), browser, begun.ID); err != nil || address != want.Address {
				t.Errorf("Address = %q, %v; want %q", address, err, want.Address)
			}
			code := r.unsent(t, begun.ID, 3)
			if _, err := r.passcodes.Finalize(t.Context(), site, tt.door, browser, ceremony.Answer{ID: begun.ID, Passcode: other(code)}); !errors.Is(err, ceremony.ErrWrongPasscode) {
				t.Errorf("wrong passcode: %v, want ErrWrongPasscode for everybody", err)
			}
			_, err = r.passcodes.Finalize(t.Context(), site, tt.door, browser, ceremony.Answer{ID: begun.ID, Passcode: code})
			switch {
			case tt.letters == 1 && err != nil:
				t.Errorf("right passcode: %v", err)
			case tt.letters == 0 && !errors.Is(err, ceremony.ErrNotAllowed):
				t.Errorf("right passcode that was never sent: %v, want ErrNotAllowed", err)
			}
			if _, err := r.directory.UserByAddress(t.Context(), "nobody@example.com"); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("a door that signs nobody up made a user: %v", err)
			}
		})
	}
}

func TestDoorThatClosesMeanwhileLetsNobodyIn(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	disabled := r.user(t, "bob@example.com")
	asNew, newCode := r.begin(t, "new@example.com")
	asAnn, annsCode := r.begin(t, "ann@example.com")
	asBob, bobsCode := r.begin(t, "bob@example.com")
	if err := r.directory.SetDisabled(t.Context(), disabled.ID, true); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, id, code string
		door           door
	}{
		{"sign-up was closed", asNew, newCode, knownOnly},
		{"no longer admitted", asAnn, annsCode, nobodyDoor},
		{"disabled", asBob, bobsCode, wideOpen},
	} {
		if _, err := r.passcodes.Finalize(t.Context(), site, tt.door, browser, ceremony.Answer{ID: tt.id, Passcode: tt.code}); !errors.Is(err, ceremony.ErrNotAllowed) {
			t.Errorf("%s since the letter: %v, want ErrNotAllowed", tt.name, err)
		}
	}
}

func TestSignUpMakesOneUserWhoProvedTheirAddress(t *testing.T) {
	const parallel = 20
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Letters: ceremony.Budget{Times: parallel, Per: time.Hour}}}})
	ids, codes := make([]string, parallel), make([]string, parallel)
	for i := range parallel {
		ids[i], codes[i] = r.begin(t, "new@example.com")
	}
	ins, errs := make([]ceremony.SignIn, parallel), make([]error, parallel)
	var all sync.WaitGroup
	for i := range parallel {
		all.Go(func() {
			ins[i], errs[i] = r.passcodes.Finalize(t.Context(), site, wideOpen, browser, ceremony.Answer{ID: ids[i], Passcode: codes[i]})
		})
	}
	all.Wait()
	created := 0
	for i, in := range ins {
		if errs[i] != nil {
			t.Fatalf("sign-up %d: %v", i, errs[i])
		}
		if in.Created {
			created++
		}
		if in.User.ID != ins[0].User.ID {
			t.Errorf("sign-ups made the users %s and %s", ins[0].User.ID, in.User.ID)
		}
	}
	if created != 1 {
		t.Errorf("%d sign-ins say that they made the user, want 1", created)
	}
	u, err := r.directory.UserByAddress(t.Context(), "new@example.com")
	if err != nil || !u.Emails[0].Verified || u.Added {
		t.Errorf("user = %+v, %v; want a verified address, and not added by an operator", u, err)
	}
}

func TestAddressThatIsNoneCostsNoBudget(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Begun: ceremony.Budget{Times: 1, Per: time.Hour}}}})
	for _, address := range []string{"", "ann", "ann@localhost", "ann@example.com,bob@example.com", "a@b@example.com", "ann@example.com\nBcc: x@example.com"} {
		if _, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, ceremony.Recipient{Address: address}); !errors.Is(err, directory.ErrAddress) {
			t.Errorf("Initialize(%q) = %v, want ErrAddress", address, err)
		}
	}
	r.begin(t, "ann@example.com")
}

// If only a known address met the full outbox, it would tell who is known.
func TestFullOutboxIsBusyForEverybody(t *testing.T) {
	r := newRig(t, setup{outbox: mail.OutboxOptions{Capacity: 1}})
	r.user(t, "ann@example.com")
	r.box.close()
	if err := r.box.outbox.Post(mail.Message{To: "first@example.org"}); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"ann@example.com", "nobody@example.com"} {
		if _, err := r.passcodes.Initialize(t.Context(), site, knownOnly, browser, ceremony.Recipient{Address: address}); !errors.Is(err, ceremony.ErrBusy) {
			t.Errorf("%s: %v, want ErrBusy", address, err)
		}
	}
	r.box.open()
}

func TestPasscodesFailRatherThanRefuseWhenAStoreIsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		away func(r *rig) error
	}{
		{"store", func(r *rig) error { return r.store.Close() }},
		{"directory", func(r *rig) error { return r.directory.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.user(t, "ann@example.com")
			id, code := r.begin(t, "ann@example.com")
			if err := tt.away(r); err != nil {
				t.Fatal(err)
			}
			_, err := r.passcodes.Initialize(t.Context(), site, knownOnly, browser, ceremony.Recipient{Address: "ann@example.com"})
			wantFailure(t, "Initialize", err)
			_, err = r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code})
			wantFailure(t, "Finalize", err)
			if tt.name == "store" {
				_, err = r.passcodes.Address(t.Context(), browser, id)
				wantFailure(t, "Address", err)
			}
		})
	}
}
