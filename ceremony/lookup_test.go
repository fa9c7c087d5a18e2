package ceremony_test

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

func TestStrangersLookNobodyUpUnlessTheyMay(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	for _, address := range []string{"ann@example.com", "nobody@example.com", "no address"} {
		found, limit, err := r.accounts.Lookup(t.Context(), site, browser, address)
		if !errors.Is(err, ceremony.ErrLookup) || found != (ceremony.Found{}) || limit != (ceremony.Limit{}) {
			t.Errorf("Lookup(%q) = %+v, %+v, %v; want ErrLookup and nothing else", address, found, limit, err)
		}
	}
	if r.accounts.LooksUp() {
		t.Error("LooksUp = true, want false by default")
	}
}

func TestLookupTellsWhoHasProvedAnAddress(t *testing.T) {
	r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: true}})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	work := r.addEmail(t, ann, "ann@work.example")
	r.register(t, newAuthenticator(), ann)
	elsewhere := site
	elsewhere.RelyingParty.ID = "app.example.com"
	if _, err := r.tryRegister(t, elsewhere, newAuthenticator(), bob, honest); err != nil {
		t.Fatal(err)
	}
	if _, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "waiting@example.com", Added: true}); err != nil {
		t.Fatal(err)
	}
	r.signUp(t, "promised@example.com")
	for i, tt := range []struct {
		address string
		want    ceremony.Found
		err     error
	}{
		{"Ann@Example.com", ceremony.Found{UserID: ann.ID, EmailID: ann.Emails[0].ID, Verified: true, HasPasskey: true}, nil},
		{"ann@work.example", ceremony.Found{UserID: ann.ID, EmailID: work.ID, Verified: true, HasPasskey: true}, nil},
		{"bob@example.com", ceremony.Found{UserID: bob.ID, EmailID: bob.Emails[0].ID, Verified: true}, nil}, // his is for another relying party
		{"waiting@example.com", ceremony.Found{}, directory.ErrNotFound},
		{"promised@example.com", ceremony.Found{}, directory.ErrNotFound},
		{"nobody@example.com", ceremony.Found{}, directory.ErrNotFound},
	} {
		found, limit, err := r.accounts.Lookup(t.Context(), site, browser, tt.address)
		if found != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Lookup(%s) = %+v, %v; want %+v, %v", tt.address, found, err, tt.want, tt.err)
		}
		if want := (ceremony.Limit{Times: 60, Remaining: 59 - int64(i), Reset: time.Hour}); limit != want {
			t.Errorf("Lookup(%s): limit %+v, want %+v", tt.address, limit, want)
		}
	}
	if _, limit, err := r.accounts.Lookup(t.Context(), site, browser, "ann"); !errors.Is(err, directory.ErrAddress) || limit != (ceremony.Limit{}) {
		t.Errorf("no address: %v, %+v; want ErrAddress, and no cost", err, limit)
	}
}

// Whoever collects addresses asks for one after the other.
func TestOneNetworkMakesALimitedNumberOfLookups(t *testing.T) {
	r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: true, Lookups: ceremony.Budget{Times: 2, Per: time.Hour}}})
	r.user(t, "ann@example.com")
	for _, address := range []string{"ann@example.com", "nobody@example.com"} {
		if _, _, err := r.accounts.Lookup(t.Context(), site, browser, address); err != nil && !errors.Is(err, directory.ErrNotFound) {
			t.Fatal(err)
		}
	}
	for _, address := range []string{"ann@example.com", "nobody@example.com"} {
		found, _, err := r.accounts.Lookup(t.Context(), site, browser, address)
		wantLimit(t, "third look-up, of "+address, err, time.Hour)
		if found != (ceremony.Found{}) {
			t.Errorf("found %+v with a spent budget", found)
		}
	}
	if _, _, err := r.accounts.Lookup(t.Context(), site, ceremony.Client{Network: "198.51.100.1"}, "ann@example.com"); err != nil {
		t.Errorf("another network: %v", err)
	}
}

func TestAccountsFailRatherThanRefuseWhenAStoreIsAway(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lookup bool
		away   func(r *rig) error
	}{
		{"store", false, func(r *rig) error { return r.store.Close() }},
		{"store", true, func(r *rig) error { return r.store.Close() }},
		{"directory", true, func(r *rig) error { return r.directory.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: tt.lookup}})
			ann := r.user(t, "ann@example.com")
			work := r.addEmail(t, ann, "ann@work.example")
			ann, err := r.directory.User(t.Context(), ann.ID)
			if err != nil {
				t.Fatal(err)
			}
			added, answer := r.add(t, ann, "ann@home.example")
			promised := r.signUp(t, "new@example.com")
			id, code := r.begin(t, "ann@example.com")
			if err := tt.away(r); err != nil {
				t.Fatal(err)
			}
			if tt.lookup {
				_, _, err = r.accounts.Lookup(t.Context(), site, browser, "ann@example.com")
				wantFailure(t, "Lookup", err)
			}
			_, _, err = r.accounts.SignUp(t.Context(), wideOpen, browser, "another@example.com")
			wantFailure(t, "SignUp", err)
			_, err = r.accounts.AddAddress(t.Context(), browser, ann, "ann@away.example")
			wantFailure(t, "AddAddress", err)
			wantFailure(t, "Initialize for a user", r.initialize(t, ceremony.Recipient{UserID: ann.ID}))
			wantFailure(t, "Initialize for a promise", r.initialize(t, ceremony.Recipient{UserID: promised.UserID}))
			wantFailure(t, "Initialize for an address to add", r.initialize(t, ceremony.Recipient{UserID: ann.ID, EmailID: added.ID, Visitor: ann.ID}))
			_, err = r.finalize(t, answer)
			wantFailure(t, "Finalize of an addition", err)
			_, err = r.finalize(t, ceremony.Answer{ID: id, Passcode: code, Visitor: ann.ID})
			wantFailure(t, "Finalize by who is signed in", err)
			_, err = r.accounts.SetPrimary(t.Context(), site, browser, ann, work.ID)
			wantFailure(t, "SetPrimary", err)
			err = r.accounts.RemoveAddress(t.Context(), site, browser, ann, work.ID)
			wantFailure(t, "RemoveAddress", err)
			if tt.name == "store" {
				return // the rest asks the directory alone
			}
			wantFailure(t, "Delete", r.accounts.Delete(t.Context(), site, browser, ann))
			if n := len(r.box.letters(t)); n != 0 {
				t.Errorf("%d letters about what was not done", n)
			}
		})
	}
}
