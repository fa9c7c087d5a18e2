package enumeration

import (
	"testing"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
)

// A person is somebody whom a stranger asks about: an address, as the stranger spells
// it, and the IDs that its account has, or, where there is none, could have.
type person struct {
	address         directory.Address
	typed           string
	userID, emailID string
}

// A kind of people is what a stranger would like to know of somebody.
type kind struct {
	name   string
	domain string // default: example.com, which the rules admit

	// live gives p an account, if this kind has one.
	live func(t testing.TB, d *directory.Directory, p *person)

	// letters says whether a letter goes to them. The strangers are not to see it;
	// the tests see by it that the people are what they are called.
	letters bool
}

// kinds are all of them. The rules admit everybody at example.com and nobody else.
var kinds = []kind{
	{name: "unknown", live: nobody, letters: true},
	{name: "known", live: known, letters: true},
	{name: "known, with groups and other addresses", live: withMore, letters: true},
	{name: "added by an operator, never signed in", live: invited, letters: true},
	{name: "disabled", live: disabled},
	{name: "deleted", live: deleted, letters: true},
	{name: "not allowed, without an account", domain: "example.net", live: nobody},
	{name: "not allowed, with an account", domain: "example.net", live: known},
	{name: "known, by an address that the rules do not admit", domain: "example.net", live: withAdmittedPrimary},
}

// new returns a person of the kind.
func (k kind) new(t testing.TB, d *directory.Directory) person {
	t.Helper()
	domain := k.domain
	if domain == "" {
		domain = "example.com"
	}
	p := person{address: address(domain), userID: uuid.NewString(), emailID: uuid.NewString()}
	p.typed = string(p.address)
	k.live(t, d, &p)
	return p
}

func nobody(testing.TB, *directory.Directory, *person) {}

// known makes an account with the IDs that a person has.
func known(t testing.TB, d *directory.Directory, p *person) {
	t.Helper()
	_, err := d.CreateUser(t.Context(), directory.NewUser{ID: p.userID, EmailID: p.emailID, Address: p.address, Verified: true, Name: "Ann"})
	check(t, err)
}

func withMore(t testing.TB, d *directory.Directory, p *person) {
	t.Helper()
	known(t, d, p)
	check(t, d.SetGroups(t.Context(), p.userID, []string{"admins", "staff", "wiki"}))
	for range 3 {
		_, err := d.AddEmail(t.Context(), p.userID, directory.NewEmail{Address: address("example.com"), Verified: true}, 5)
		check(t, err)
	}
}

func invited(t testing.TB, d *directory.Directory, p *person) {
	t.Helper()
	_, err := d.CreateUser(t.Context(), directory.NewUser{ID: p.userID, EmailID: p.emailID, Address: p.address, Added: true})
	check(t, err)
}

func disabled(t testing.TB, d *directory.Directory, p *person) {
	t.Helper()
	known(t, d, p)
	check(t, d.SetDisabled(t.Context(), p.userID, true))
}

func deleted(t testing.TB, d *directory.Directory, p *person) {
	t.Helper()
	known(t, d, p)
	check(t, d.RemoveUser(t.Context(), p.userID))
}

func withAdmittedPrimary(t testing.TB, d *directory.Directory, p *person) {
	t.Helper()
	_, err := d.CreateUser(t.Context(), directory.NewUser{ID: p.userID, Address: address("example.com"), Verified: true})
	check(t, err)
	_, err = d.AddEmail(t.Context(), p.userID, directory.NewEmail{ID: p.emailID, Address: p.address, Verified: true}, 5)
	check(t, err)
}
