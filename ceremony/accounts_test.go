package ceremony_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
)

// wantLetters reports letters that do not go to exactly these addresses, or do
// not name what changed.
func wantLetters(t *testing.T, letters []mail.Message, subject string, to ...string) {
	t.Helper()
	var got []string
	for _, letter := range letters {
		got = append(got, letter.To)
		for _, want := range []string{subject, "app.example.com", "Firefox on Linux"} {
			if !strings.Contains(letter.Text, want) {
				t.Errorf("the letter to %s does not say %q:\n%s", letter.To, want, letter.Text)
			}
		}
	}
	if !slices.Equal(got, to) {
		t.Errorf("letters to %v, want %v", got, to)
	}
}

func TestPrimaryAddressChangesAndTheOldOneIsTold(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	work := r.addEmail(t, ann, "ann@work.example")
	unproved, err := r.directory.AddEmail(t.Context(), ann.ID, directory.NewEmail{Address: "ann@new.example"}, 20)
	if err != nil {
		t.Fatal(err)
	}
	if ann, err = r.directory.User(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		id   string
		want error
	}{
		"of nobody":        {uuid.NewString(), directory.ErrNotFound},
		"of Bob":           {bob.Emails[0].ID, directory.ErrNotFound},
		"that is no ID":    {"ann@work.example", directory.ErrNotFound},
		"without one":      {"", directory.ErrNotFound},
		"not proved":       {unproved.ID, directory.ErrUnverified},
		"the primary one":  {ann.Emails[0].ID, nil},
		"the primary one,": {strings.ToUpper(ann.Emails[0].ID), nil},
	} {
		if _, err := r.accounts.SetPrimary(t.Context(), site, browser, ann, tt.id); !errors.Is(err, tt.want) {
			t.Errorf("address %s: %v, want %v", name, err, tt.want)
		}
	}
	wantLetters(t, r.box.letters(t), "")
	changed, err := r.accounts.SetPrimary(t.Context(), site, browser, ann, strings.ToUpper(work.ID))
	if err != nil {
		t.Fatal(err)
	}
	if primary, _ := changed.Primary(); primary.ID != work.ID {
		t.Errorf("primary address %s, want %s", primary.Address, work.Address)
	}
	wantLetters(t, r.box.letters(t), "ann@work.example", "ann@example.com")
}

func TestAddressIsRemovedAndBothAreTold(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	work := r.addEmail(t, ann, "ann@work.example")
	unproved, err := r.directory.AddEmail(t.Context(), ann.ID, directory.NewEmail{Address: "typo@new.example"}, 20)
	if err != nil {
		t.Fatal(err)
	}
	if ann, err = r.directory.User(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		id   string
		want error
	}{
		"of nobody":       {uuid.NewString(), directory.ErrNotFound},
		"of Bob":          {bob.Emails[0].ID, directory.ErrNotFound},
		"that is no ID":   {"ann@work.example", directory.ErrNotFound},
		"the primary one": {ann.Emails[0].ID, directory.ErrPrimary},
	} {
		if err := r.accounts.RemoveAddress(t.Context(), site, browser, ann, tt.id); !errors.Is(err, tt.want) {
			t.Errorf("address %s: %v, want %v", name, err, tt.want)
		}
	}
	wantLetters(t, r.box.letters(t), "")
	err = r.accounts.RemoveAddress(t.Context(), site, browser, ann, strings.ToUpper(work.ID))
	var changed directory.User
	if err == nil {
		changed, err = r.directory.User(t.Context(), ann.ID)
	}
	if err != nil || len(changed.Emails) != 2 {
		t.Fatalf("RemoveAddress: %v, %v; want two addresses left", changed.Emails, err)
	}
	wantLetters(t, r.box.letters(t), "ann@work.example", "ann@example.com", "ann@work.example")
	if err := r.accounts.RemoveAddress(t.Context(), site, browser, ann, work.ID); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("once more: %v, want ErrNotFound", err)
	}
	// Somebody mistyped it; it belongs to a stranger.
	if err := r.accounts.RemoveAddress(t.Context(), site, browser, ann, unproved.ID); err != nil {
		t.Fatal(err)
	}
	wantLetters(t, r.box.letters(t), "typo@new.example", "ann@example.com")
}

func TestAccountIsDeletedWithAllItHas(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	r.addEmail(t, ann, "ann@work.example")
	a := newAuthenticator()
	r.register(t, a, ann)
	r.box.letters(t)
	if err := r.accounts.Delete(t.Context(), site, browser, ann); err != nil {
		t.Fatal(err)
	}
	letters := r.box.letters(t)
	wantLetters(t, letters, "was deleted", "ann@example.com")
	if strings.Contains(letters[0].Text, site.AccountURL) {
		t.Error("the letter has a link to an account that is gone")
	}
	if _, err := r.login(t, a, honest); !errors.Is(err, ceremony.ErrUnknownPasskey) {
		t.Errorf("her passkey: %v, want ErrUnknownPasskey", err)
	}
	for _, address := range []directory.Address{"ann@example.com", "ann@work.example"} {
		if _, err := r.directory.UserByAddress(t.Context(), address); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", address, err)
		}
	}
	if err := r.accounts.Delete(t.Context(), site, browser, ann); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("once more: %v, want ErrNotFound", err)
	}
	wantLetters(t, r.box.letters(t), "")
}
