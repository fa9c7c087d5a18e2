package directory_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/doorward/doorward/directory"
)

const plenty = 20 // addresses

func addEmail(t testing.TB, d *directory.Directory, userID, s string, verified bool) directory.Email {
	t.Helper()
	e, err := d.AddEmail(t.Context(), userID, directory.NewEmail{Address: address(t, s), Verified: verified}, plenty)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// primaryOf returns the primary address of a user. There is exactly one, and it
// comes first.
func primaryOf(t testing.TB, d *directory.Directory, userID string) directory.Email {
	t.Helper()
	u, err := d.User(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	primaries := 0
	for _, e := range u.Emails {
		if e.Primary {
			primaries++
		}
	}
	if primaries != 1 || !u.Emails[0].Primary {
		t.Fatalf("%d primary addresses, want one, and it first: %+v", primaries, u.Emails)
	}
	return u.Emails[0]
}

// wantOne fails the test unless one of the calls succeeded and the others were
// refused like that.
func wantOne(t testing.TB, errs []error, refusal error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, refusal):
			t.Errorf("got error %v, want %v", err, refusal)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d succeeded, want 1", won, len(errs))
	}
}

func TestAnAddedAddressIsTheUsersAndNotThePrimaryOne(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, other := open(t), open(t)
		bystander := createUser(t, d, "bob@example.com")
		before := createUser(t, d, "alice@example.com")
		first, err := d.AddEmail(t.Context(), before.ID, directory.NewEmail{ID: promised, Address: "first@example.com", Verified: true}, plenty)
		if err != nil {
			t.Fatal(err)
		}
		if first.ID != promised || !first.Verified {
			t.Errorf("got %+v, want it verified and with the promised ID", first)
		}
		second := addEmail(t, d, before.ID, "second@example.com", false)
		if second.ID == "" || second.ID == first.ID || second.Verified || second.Primary || second.CreatedAt.IsZero() {
			t.Errorf("got %+v, want a new address, not verified", second)
		}

		after, err := other.UserByAddress(t.Context(), "second@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if want := []directory.Email{before.Emails[0], first, second}; !reflect.DeepEqual(after.Emails, want) {
			t.Errorf("got addresses %+v, want %+v", after.Emails, want)
		}
		if after.ID != before.ID || !after.UpdatedAt.After(before.UpdatedAt) {
			t.Errorf("got %+v, want the same user, updated", after)
		}
		if got, err := d.User(t.Context(), bystander.ID); err != nil || !reflect.DeepEqual(got, bystander) {
			t.Errorf("bystander: got %+v, %v, want %+v", got, err, bystander)
		}
	})
}

func TestAnAddressThatIsRefusedChangesNothing(t *testing.T) {
	tests := []struct {
		name    string
		address directory.Address
		most    int
		want    error
	}{
		{"of another user", "bob@example.com", plenty, directory.ErrTaken},
		{"their own", "alice@example.com", plenty, directory.ErrTaken},
		{"their own, with no room for another", "alice@example.com", 2, directory.ErrTaken},
		{"of nobody, with no room for another", "new@example.com", 2, directory.ErrTooMany},
		{"of nobody, with too many already", "new@example.com", 1, directory.ErrTooMany},
		{"of nobody, with none allowed", "new@example.com", 0, directory.ErrTooMany},
		{"not parsed", "New@Example.com", plenty, directory.ErrAddress},
		{"none", "", plenty, directory.ErrAddress},
		{"with a NUL", "new@example.com\x00", plenty, directory.ErrAddress},
	}
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		createUser(t, d, "bob@example.com")
		alice := createUser(t, d, "alice@example.com")
		addEmail(t, d, alice.ID, "second@example.com", true)
		before := export(t, d)
		for _, tt := range tests {
			_, err := d.AddEmail(t.Context(), alice.ID, directory.NewEmail{Address: tt.address, Verified: true}, tt.most)
			wantErr(t, tt.name, err, tt.want)
			wantLines(t, tt.name, export(t, d), before)
		}
		if _, err := d.AddEmail(t.Context(), alice.ID, directory.NewEmail{Address: "new@example.com"}, 3); err != nil {
			t.Errorf("with room for one more: %v", err)
		}
	})
}

func TestOfConcurrentUsersWhoAddOneAddressOneGetsIt(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		var users []directory.User
		for i := range 6 {
			users = append(users, createUser(t, handles[0], fmt.Sprintf("user%d@example.com", i)))
		}
		for round := range 5 {
			a := address(t, fmt.Sprintf("wanted%d@example.com", round))
			// Two ask for it by signing up.
			errs := concurrently(len(users)+2, func(i int) (err error) {
				if i < len(users) {
					_, err = handles[i%2].AddEmail(t.Context(), users[i].ID, directory.NewEmail{Address: a, Verified: true}, plenty)
				} else {
					_, err = handles[i%2].CreateUser(t.Context(), directory.NewUser{Address: a})
				}
				return err
			})
			wantOne(t, errs, directory.ErrTaken)
		}
	})
}

// A limit that is looked up first and used later is none for somebody who asks
// for all at once.
func TestConcurrentAdditionsDoNotExceedTheLimit(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		const most = 5
		handles := []*directory.Directory{open(t), open(t)}
		alice := createUser(t, handles[0], "alice@example.com")
		errs := concurrently(12, func(i int) error {
			a := directory.Address(fmt.Sprintf("more%d@example.com", i))
			_, err := handles[i%2].AddEmail(t.Context(), alice.ID, directory.NewEmail{Address: a}, most)
			return err
		})
		added := 0
		for _, err := range errs {
			switch {
			case err == nil:
				added++
			case !errors.Is(err, directory.ErrTooMany):
				t.Errorf("got error %v, want %v", err, directory.ErrTooMany)
			}
		}
		u, err := handles[0].User(t.Context(), alice.ID)
		if err != nil || added != most-1 || len(u.Emails) != most {
			t.Errorf("%d added and %d there, %v, want %d and %d", added, len(u.Emails), err, most-1, most)
		}
	})
}

func TestThePrimaryAddressIsOneOfTheVerifiedOnes(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		old, _ := alice.Primary()
		verified := addEmail(t, d, alice.ID, "verified@example.com", true)
		unverified := addEmail(t, d, alice.ID, "unverified@example.com", false)
		others, _ := createUser(t, d, "bob@example.com").Primary()

		if err := d.SetPrimary(t.Context(), alice.ID, old.ID); err != nil {
			t.Errorf("what is the primary one already, and not verified: %v", err)
		}
		before := export(t, d)
		for id, want := range map[string]error{
			unverified.ID: directory.ErrUnverified,
			others.ID:     directory.ErrNotFound,
			promised:      directory.ErrNotFound,
			notAnID:       directory.ErrNotFound,
			"\x00":        directory.ErrNotFound,
			"":            directory.ErrNotFound,
		} {
			wantErr(t, fmt.Sprintf("SetPrimary(%q)", id), d.SetPrimary(t.Context(), alice.ID, id), want)
		}
		wantLines(t, "after the refusals", export(t, d), before)

		for range 2 {
			if err := d.SetPrimary(t.Context(), alice.ID, verified.ID); err != nil {
				t.Fatal(err)
			}
			if got := primaryOf(t, d, alice.ID); got.ID != verified.ID || !got.UpdatedAt.After(verified.UpdatedAt) {
				t.Errorf("got %+v, want %s, updated", got, verified.Address)
			}
		}
		after, err := d.UserByAddress(t.Context(), old.Address)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(after.Emails, func(e directory.Email) bool { return e.ID == old.ID }); after.ID != alice.ID || i < 1 ||
			!after.Emails[i].UpdatedAt.After(old.UpdatedAt) || !after.UpdatedAt.After(alice.UpdatedAt) {
			t.Errorf("got %+v, want the old one still theirs, and both updated", after)
		}
		if i := slices.IndexFunc(after.Emails, func(e directory.Email) bool { return e.ID == unverified.ID }); i < 1 || after.Emails[i] != unverified {
			t.Errorf("got %+v, want %+v as it was", after.Emails, unverified)
		}
	})
}

func TestConcurrentChangesOfThePrimaryAddressLeaveOne(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		alice := createUser(t, handles[0], "alice@example.com")
		var ids []string
		for i := range 4 {
			ids = append(ids, addEmail(t, handles[0], alice.ID, fmt.Sprintf("alice%d@example.com", i), true).ID)
		}
		for range 5 {
			errs := concurrently(8, func(i int) error {
				return handles[i%2].SetPrimary(t.Context(), alice.ID, ids[i%len(ids)])
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			if got := primaryOf(t, handles[0], alice.ID); !slices.Contains(ids, got.ID) {
				t.Errorf("got %+v, want one of those that were asked for", got)
			}
		}
	})
}

func TestARemovedAddressIsFree(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice, bob := createUser(t, d, "alice@example.com"), createUser(t, d, "bob@example.com")
		primary, _ := alice.Primary()
		second := addEmail(t, d, alice.ID, "second@example.com", true)
		others, _ := bob.Primary()

		before := export(t, d)
		for id, want := range map[string]error{
			primary.ID: directory.ErrPrimary,
			others.ID:  directory.ErrNotFound,
			promised:   directory.ErrNotFound,
			notAnID:    directory.ErrNotFound,
			"\x00":     directory.ErrNotFound,
			"":         directory.ErrNotFound,
		} {
			wantErr(t, fmt.Sprintf("RemoveEmail(%q)", id), d.RemoveEmail(t.Context(), alice.ID, id), want)
		}
		wantErr(t, "RemoveEmail of another user's", d.RemoveEmail(t.Context(), bob.ID, second.ID), directory.ErrNotFound)
		wantLines(t, "after the refusals", export(t, d), before)

		was, err := d.User(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveEmail(t.Context(), alice.ID, second.ID); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RemoveEmail again", d.RemoveEmail(t.Context(), alice.ID, second.ID), directory.ErrNotFound)
		_, err = d.UserByAddress(t.Context(), "second@example.com")
		wantErr(t, "UserByAddress", err, directory.ErrNotFound)
		is, err := d.User(t.Context(), alice.ID)
		if err != nil || !reflect.DeepEqual(is.Emails, alice.Emails) || !is.UpdatedAt.After(was.UpdatedAt) {
			t.Errorf("got %+v, %v, want the primary address alone, and the user updated", is, err)
		}
		addEmail(t, d, bob.ID, "second@example.com", true)
	})
}

// Of two requests, one makes an address the primary one and the other removes
// it: whichever comes first, the user keeps a primary address.
func TestRemovingAnAddressRacesMakingItThePrimaryOne(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		alice := createUser(t, handles[0], "alice@example.com")
		for round := range 10 {
			e := addEmail(t, handles[0], alice.ID, fmt.Sprintf("round%d@example.com", round), true)
			errs := concurrently(2, func(i int) error {
				if i == 0 {
					return handles[0].SetPrimary(t.Context(), alice.ID, e.ID)
				}
				return handles[1].RemoveEmail(t.Context(), alice.ID, e.ID)
			})
			got := primaryOf(t, handles[0], alice.ID)
			switch {
			case errs[0] == nil && errors.Is(errs[1], directory.ErrPrimary) && got.ID == e.ID:
			case errors.Is(errs[0], directory.ErrNotFound) && errs[1] == nil && got.ID != e.ID:
			default:
				t.Errorf("SetPrimary: %v, RemoveEmail: %v, primary: %+v", errs[0], errs[1], got)
			}
		}
	})
}

func TestAUserWithThreeAddressesMovesWhole(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		old := openSQLite(t, filepath.Join(t.TempDir(), "old.db"), (&clock{t: epoch}).now)
		alice := createUser(t, old, "alice@example.com")
		second := addEmail(t, old, alice.ID, "second@example.com", true)
		addEmail(t, old, alice.ID, "third@example.com", false)
		if err := old.SetPrimary(t.Context(), alice.ID, second.ID); err != nil {
			t.Fatal(err)
		}

		d := open(t)
		if s := importFile(t, d, export(t, old)); s.Addresses != 3 {
			t.Errorf("%d addresses imported, want 3", s.Addresses)
		}
		want, err := old.User(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.User(t.Context(), alice.ID); err != nil || !reflect.DeepEqual(got, want) || len(got.Emails) != 3 {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if got := primaryOf(t, d, alice.ID); got.ID != second.ID {
			t.Errorf("primary address: got %+v, want %+v", got, second)
		}
	})
}

func TestACancelledChangeOfAddressesLeavesNoTrace(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		second := addEmail(t, d, alice.ID, "second@example.com", true)
		before := export(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.AddEmail(ctx, alice.ID, directory.NewEmail{Address: "third@example.com"}, plenty)
		wantErr(t, "AddEmail", err, context.Canceled)
		wantErr(t, "SetPrimary", d.SetPrimary(ctx, alice.ID, second.ID), context.Canceled)
		wantErr(t, "RemoveEmail", d.RemoveEmail(ctx, alice.ID, second.ID), context.Canceled)
		wantLines(t, "after all of them", export(t, d), before)
	})
}
