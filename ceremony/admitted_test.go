package ceremony_test

import (
	"errors"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// A domainDoor admits whose primary address is in a domain, and proved.
type domainDoor string

func (d domainDoor) Admits(u directory.User) bool {
	primary, ok := u.Primary()
	return ok && primary.Verified && primary.Address.Domain() == string(d)
}

func (d domainDoor) SignsUp(a directory.Address) bool { return a.Domain() == string(d) }

// A rule about a domain says that people come in who read mail there. Who leaves
// it, and has added a mailbox of their own in time, does not any more.
func TestPasscodeSignsInByAnAddressThatTheDoorAdmits(t *testing.T) {
	const at = domainDoor("example.com")
	for _, tt := range []struct {
		name, primary, second string
		by                    string
		want                  error
	}{
		{"the admitted address", "ann@example.com", "ann@home.example", "ann@example.com", nil},
		{"an address elsewhere", "ann@example.com", "ann@home.example", "ann@home.example", ceremony.ErrNotAllowed},
		{"another admitted address", "ann@example.com", "team@example.com", "team@example.com", nil},
		{"an admitted address that is not the primary one", "ann@home.example", "ann@example.com", "ann@example.com", ceremony.ErrNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			ann := r.user(t, tt.primary)
			r.addEmail(t, ann, tt.second)
			begun, err := r.passcodes.Initialize(t.Context(), site, at, browser, ceremony.Recipient{Address: tt.by})
			if err != nil {
				t.Fatal(err)
			}
			if letters := r.box.letters(t); (len(letters) == 1) != (tt.want == nil) || begun.Withheld != (tt.want != nil) {
				t.Errorf("%d letters (withheld: %v), want one for who is admitted alone", len(letters), begun.Withheld)
			}
			// The rule may be a new one, too.
			id, code := r.begin(t, tt.by)
			in, err := r.passcodes.Finalize(t.Context(), site, at, browser, ceremony.Answer{ID: id, Passcode: code})
			if !errors.Is(err, tt.want) || err == nil && in.User.ID != ann.ID {
				t.Errorf("signed in %s, %v; want Ann, %v", in.User.ID, err, tt.want)
			}
		})
	}
}
