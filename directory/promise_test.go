package directory_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/doorward/doorward/directory"
)

// IDs as newID makes them, and one that it does not make.
const (
	promised     = "4b1c0f3e-2d5a-4c6b-8e7f-9a0b1c2d3e4f"
	alsoPromised = "9d8e7f6a-5b4c-4d3e-af2a-1b0c9d8e7f6a"
	neverUsed    = "0b7e1c7e-8f5c-4e4a-9d3e-2f4c5a6b7c8d"
	notAnID      = "4B1C0F3E-2D5A-4C6B-8E7F-9A0B1C2D3E4F"
)

func TestAUserIsMadeWithTheIDsThatWerePromised(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		n := directory.NewUser{ID: promised, EmailID: alsoPromised, Address: "alice@example.com", Verified: true}
		made, err := d.CreateUser(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := made.Primary(); made.ID != promised || !ok || e.ID != alsoPromised {
			t.Errorf("got %+v, want the promised IDs", made)
		}
		if got, err := open(t).UserByAddress(t.Context(), "alice@example.com"); err != nil || !reflect.DeepEqual(got, made) {
			t.Errorf("read back: got %+v, %v, want %+v", got, err, made)
		}
		if got, err := directory.UserIDFromHandle(made.Handle()); err != nil || got != promised {
			t.Errorf("ID of its handle: got %q, %v, want %q", got, err, promised)
		}

		half, err := d.CreateUser(t.Context(), directory.NewUser{ID: neverUsed, Address: "bob@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if e, _ := half.Primary(); half.ID != neverUsed || e.ID == "" || e.ID == half.ID {
			t.Errorf("got %+v, want a new ID for what was not promised one", half)
		}
	})
}

func TestAPromisedIDThatIsInUseIsTaken(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		primary, _ := alice.Primary()
		for name, n := range map[string]directory.NewUser{
			"of a user":     {ID: alice.ID},
			"of an address": {EmailID: primary.ID},
			"of both":       {ID: alice.ID, EmailID: primary.ID},
			"of one of two": {ID: promised, EmailID: primary.ID},
		} {
			n.Address = "bob@example.com"
			_, err := d.CreateUser(t.Context(), n)
			wantErr(t, "an ID "+name, err, directory.ErrTaken)
		}
		_, err := d.AddEmail(t.Context(), alice.ID, directory.NewEmail{ID: primary.ID, Address: "second@example.com"}, plenty)
		wantErr(t, "AddEmail", err, directory.ErrTaken)
		if users, err := d.Users(t.Context(), "", 10); err != nil || len(users) != 1 || !reflect.DeepEqual(users[0], alice) {
			t.Errorf("got %+v, %v, want only %+v, unchanged", users, err, alice)
		}
	})
}

// What is no ID of ours would not be found again: a mistake in the caller, and
// none of the refusals that a person is told about.
func TestAPromisedIDThatIsNoIDIsAFailure(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		for _, id := range []string{
			notAnID, "x", promised + "\x00", " " + promised, strings.ReplaceAll(promised, "-", ""),
			"4b1c0f3e-2d5a-1c6b-8e7f-9a0b1c2d3e4f", // version 1
			"4b1c0f3e-2d5a-4c6b-ce7f-9a0b1c2d3e4f", // another variant
		} {
			_, forUser := d.CreateUser(t.Context(), directory.NewUser{ID: id, Address: "bob@example.com"})
			_, forItsAddress := d.CreateUser(t.Context(), directory.NewUser{EmailID: id, Address: "bob@example.com"})
			_, forAddress := d.AddEmail(t.Context(), alice.ID, directory.NewEmail{ID: id, Address: "bob@example.com"}, plenty)
			for what, err := range map[string]error{"user": forUser, "address of a user": forItsAddress, "address": forAddress} {
				refused := errors.Is(err, directory.ErrTaken) || errors.Is(err, directory.ErrNotFound) || errors.Is(err, directory.ErrAddress)
				if err == nil || refused || strings.Contains(err.Error(), id) {
					t.Errorf("%s with the ID %q: got error %v, want a failure without the ID", what, id, err)
				}
			}
		}
		_, err := d.UserByAddress(t.Context(), "bob@example.com")
		wantErr(t, "UserByAddress", err, directory.ErrNotFound)
	})
}

func TestConcurrentSignUpsWithOnePromiseMakeOneUser(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		errs := concurrently(8, func(i int) error {
			n := directory.NewUser{ID: promised, EmailID: alsoPromised, Address: directory.Address(fmt.Sprintf("user%d@example.com", i))}
			_, err := handles[i%2].CreateUser(t.Context(), n)
			return err
		})
		wantOne(t, errs, directory.ErrTaken)
	})
}
