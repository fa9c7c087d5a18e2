package directory_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

func TestAPasskeyIsReadBackWhole(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		want := directory.Passkey{
			ID: []byte{0, 1, 0xff}, UserID: alice.ID, RPID: "example.com", Name: "Yubikey",
			PublicKey: []byte{0xa5, 0, 1}, AAGUID: bytes.Repeat([]byte{7}, 16),
			AttestationType: "basic_full", AttestationFormat: "packed", Attachment: "cross-platform",
			Transports: []string{"usb", "nfc", "x\x00\"y"}, SignCount: math.MaxUint32,
			UserPresent: true, UserVerified: true, BackupEligible: true, BackupState: true, Discoverable: true,
			CreatedAt: epoch, LastUsedAt: epoch.Add(time.Hour),
		}
		addPasskey(t, d, want)
		got, err := d.Passkey(t.Context(), want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Passkey: got %+v, %v, want %+v", got, err, want)
		}

		// One flag at a time, so that no two columns can be exchanged.
		flags := []func(*directory.Passkey) *bool{
			func(p *directory.Passkey) *bool { return &p.UserPresent },
			func(p *directory.Passkey) *bool { return &p.UserVerified },
			func(p *directory.Passkey) *bool { return &p.BackupEligible },
			func(p *directory.Passkey) *bool { return &p.BackupState },
			func(p *directory.Passkey) *bool { return &p.Discoverable },
		}
		for i, flag := range flags {
			want := directory.Passkey{ID: []byte{byte(i)}, UserID: alice.ID, PublicKey: []byte("key"), CreatedAt: epoch}
			*flag(&want) = true
			addPasskey(t, d, want)
			got, err := d.Passkey(t.Context(), want.ID)
			got.AAGUID = nil // empty or nil, as the database likes
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("flag %d: got %+v, %v, want %+v", i, got, err, want)
			}
		}
	})
}

func TestPasskeysOfAUserComeOldestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice, bob := createUser(t, d, "alice@example.com"), createUser(t, d, "bob@example.com")
		addPasskey(t, d, directory.Passkey{ID: []byte("c"), UserID: alice.ID, RPID: "example.com"})
		addPasskey(t, d, directory.Passkey{ID: []byte("b"), UserID: bob.ID})
		addPasskey(t, d, directory.Passkey{ID: []byte("a"), UserID: alice.ID, RPID: "example.org"})
		addPasskey(t, d, directory.Passkey{ID: []byte("z"), UserID: alice.ID, CreatedAt: epoch.Add(-time.Hour)})
		got, err := d.Passkeys(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, p := range got {
			ids = append(ids, string(p.ID))
			if p.CreatedAt.IsZero() || !p.LastUsedAt.IsZero() {
				t.Errorf("passkey %s: created %v, used %v, want some time and never", p.ID, p.CreatedAt, p.LastUsedAt)
			}
		}
		if want := []string{"z", "c", "a"}; !slices.Equal(ids, want) {
			t.Errorf("got %q, want %q", ids, want)
		}
		for _, id := range []string{"0b7e1c7e-8f5c-4e4a-9d3e-2f4c5a6b7c8d", "nobody\x00"} {
			if got, err := d.Passkeys(t.Context(), id); err != nil || len(got) != 0 {
				t.Errorf("passkeys of a stranger: got %+v, %v", got, err)
			}
		}
	})
}

// Who learns a credential ID must not be able to register it with a key of
// their own: a later sign-in with it would be theirs.
func TestACredentialIDBelongsToOnePasskey(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, other := open(t), open(t)
		alice, mallory := createUser(t, d, "alice@example.com"), createUser(t, d, "mallory@example.com")
		want := addPasskey(t, d, directory.Passkey{ID: []byte("passkey"), UserID: alice.ID, RPID: "example.com", CreatedAt: epoch})
		for _, u := range []directory.User{alice, mallory} {
			err := other.AddPasskey(t.Context(), directory.Passkey{ID: []byte("passkey"), UserID: u.ID, RPID: "example.org", PublicKey: []byte("mine")})
			wantErr(t, "AddPasskey", err, directory.ErrTaken)
		}
		got, err := d.Passkey(t.Context(), want.ID)
		got.AAGUID = nil
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Passkey: got %+v, %v, want %+v", got, err, want)
		}

		errs := concurrently(10, func(i int) error {
			return []*directory.Directory{d, other}[i%2].AddPasskey(t.Context(), directory.Passkey{ID: []byte("raced"), UserID: mallory.ID, PublicKey: []byte("key")})
		})
		if n := count(errs, nil); n != 1 {
			t.Errorf("%d of 10 concurrent registrations succeeded, want 1", n)
		}
		if n := count(errs, directory.ErrTaken); n != 9 {
			t.Errorf("%d of 10 concurrent registrations were refused, want 9: %v", n, errs)
		}
	})
}

func count(errs []error, want error) int {
	n := 0
	for _, err := range errs {
		if errors.Is(err, want) {
			n++
		}
	}
	return n
}

func TestAPasskeyWithAFlawIsNotAdded(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		valid := directory.Passkey{ID: bytes.Repeat([]byte{1}, 1023), UserID: alice.ID, PublicKey: []byte("key"), Name: strings.Repeat("n", 64)}
		for name, flaw := range map[string]func(*directory.Passkey){
			"no ID":     func(p *directory.Passkey) { p.ID = nil },
			"a long ID": func(p *directory.Passkey) { p.ID = make([]byte, 1024) },
			"no key":    func(p *directory.Passkey) { p.PublicKey = nil },

			"a relying party with a NUL":  func(p *directory.Passkey) { p.RPID = "example.com\x00" },
			"a type that is no text":      func(p *directory.Passkey) { p.AttestationType = "\xff" },
			"a format with a NUL":         func(p *directory.Passkey) { p.AttestationFormat = "\x00" },
			"an attachment of half UTF-8": func(p *directory.Passkey) { p.Attachment = "platform\xc3" },
		} {
			p := valid
			flaw(&p)
			if err := d.AddPasskey(t.Context(), p); err == nil {
				t.Errorf("%s: added", name)
			}
		}
		for _, name := range []string{strings.Repeat("n", 65), "a\tb"} {
			p := valid
			p.Name = name
			wantErr(t, fmt.Sprintf("the name %q", name), d.AddPasskey(t.Context(), p), directory.ErrName)
		}
		if err := d.AddPasskey(t.Context(), valid); err != nil {
			t.Errorf("without a flaw: %v", err)
		}
	})
}

func TestUsingAPasskeyIsNoted(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		want := addPasskey(t, d, directory.Passkey{ID: []byte("passkey"), UserID: alice.ID, BackupEligible: true, CreatedAt: epoch})
		addPasskey(t, d, directory.Passkey{ID: []byte("other"), UserID: alice.ID})
		before, err := d.User(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}

		use := directory.PasskeyUse{ID: want.ID, UserID: alice.ID, SignCount: 3, UserVerified: true, BackupState: true, At: epoch.Add(time.Minute)}
		if err := d.UsePasskey(t.Context(), use); err != nil {
			t.Fatal(err)
		}
		want.SignCount, want.UserVerified, want.BackupState, want.LastUsedAt = 3, true, true, use.At
		got, err := d.Passkey(t.Context(), want.ID)
		got.AAGUID = nil
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("after the first use: got %+v, %v, want %+v", got, err, want)
		}

		// uvInitialized stays; the backup state is that of the last use.
		if err := d.UsePasskey(t.Context(), directory.PasskeyUse{ID: want.ID, UserID: alice.ID, SignCount: 4}); err != nil {
			t.Fatal(err)
		}
		got, err = d.Passkey(t.Context(), want.ID)
		if err != nil || got.SignCount != 4 || !got.UserVerified || got.BackupState || !got.LastUsedAt.After(epoch) {
			t.Errorf("after the second use: got %+v, %v", got, err)
		}

		if other, err := d.Passkey(t.Context(), []byte("other")); err != nil || !other.LastUsedAt.IsZero() {
			t.Errorf("another passkey: used %v, %v, want never", other.LastUsedAt, err)
		}
		if after, err := d.User(t.Context(), alice.ID); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("using a passkey changed the user: got %+v, %v, want %+v", after, err, before)
		}
	})
}

// A count that does not grow comes from a clone of the authenticator, or from
// the original after a clone was used.
func TestASignCountNeverGoesBack(t *testing.T) {
	tests := []struct {
		stored, used uint32
		want         error
	}{
		{0, 0, nil}, // the authenticator does not count
		{0, 1, nil},
		{5, 6, nil},
		{5, math.MaxUint32, nil},
		{5, 5, directory.ErrSignCount},
		{5, 4, directory.ErrSignCount},
		{5, 0, directory.ErrSignCount},
		{math.MaxUint32, 0, directory.ErrSignCount},
	}
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		for i, tt := range tests {
			p := addPasskey(t, d, directory.Passkey{ID: []byte{byte(i)}, UserID: alice.ID, SignCount: tt.stored})
			before, err := d.Passkey(t.Context(), p.ID)
			if err != nil {
				t.Fatal(err)
			}
			err = d.UsePasskey(t.Context(), directory.PasskeyUse{ID: p.ID, UserID: alice.ID, SignCount: tt.used, UserVerified: true, BackupState: true})
			wantErr(t, fmt.Sprintf("count %d after %d", tt.used, tt.stored), err, tt.want)
			after, err := d.Passkey(t.Context(), p.ID)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want != nil && !reflect.DeepEqual(after, before) {
				t.Errorf("count %d after %d changed the passkey: got %+v, want %+v", tt.used, tt.stored, after, before)
			}
			if tt.want == nil && after.SignCount != tt.used {
				t.Errorf("count %d after %d: stored %d", tt.used, tt.stored, after.SignCount)
			}
		}
	})
}

func TestConcurrentUsesEndAtTheHighestCount(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		alice := createUser(t, handles[0], "alice@example.com")
		addPasskey(t, handles[0], directory.Passkey{ID: []byte("passkey"), UserID: alice.ID})
		errs := concurrently(50, func(i int) error {
			return handles[i%2].UsePasskey(t.Context(), directory.PasskeyUse{ID: []byte("passkey"), UserID: alice.ID, SignCount: uint32(i + 1)})
		})
		if ok, refused := count(errs, nil), count(errs, directory.ErrSignCount); ok == 0 || ok+refused != 50 {
			t.Errorf("%d uses noted and %d refused, want 50 together: %v", ok, refused, errs)
		}
		if errs[49] != nil {
			t.Errorf("the highest count: %v", errs[49])
		}
		if p, err := handles[0].Passkey(t.Context(), []byte("passkey")); err != nil || p.SignCount != 50 {
			t.Errorf("got count %d, %v, want 50", p.SignCount, err)
		}
	})
}

func TestOfConcurrentUsesWithOneCountOneSucceeds(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		alice := createUser(t, handles[0], "alice@example.com")
		addPasskey(t, handles[0], directory.Passkey{ID: []byte("passkey"), UserID: alice.ID, SignCount: 6})
		addPasskey(t, handles[0], directory.Passkey{ID: []byte("synced"), UserID: alice.ID})
		use := func(id string, n uint32) []error {
			return concurrently(50, func(i int) error {
				return handles[i%2].UsePasskey(t.Context(), directory.PasskeyUse{ID: []byte(id), UserID: alice.ID, SignCount: n})
			})
		}
		errs := use("passkey", 7)
		if ok, refused := count(errs, nil), count(errs, directory.ErrSignCount); ok != 1 || refused != 49 {
			t.Errorf("%d uses noted and %d refused, want 1 and 49: %v", ok, refused, errs)
		}
		if errs := use("synced", 0); count(errs, nil) != 50 {
			t.Errorf("an authenticator that does not count: got %v, want no errors", errs)
		}
	})
}

func TestAPasskeyOfAnotherUserIsNotFound(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice, mallory := createUser(t, d, "alice@example.com"), createUser(t, d, "mallory@example.com")
		p := addPasskey(t, d, directory.Passkey{ID: []byte("passkey"), UserID: alice.ID, Name: "Alice's phone", CreatedAt: epoch})
		wantErr(t, "UsePasskey", d.UsePasskey(t.Context(), directory.PasskeyUse{ID: p.ID, UserID: mallory.ID, SignCount: 1}), directory.ErrNotFound)
		wantErr(t, "RenamePasskey", d.RenamePasskey(t.Context(), mallory.ID, p.ID, "mine"), directory.ErrNotFound)
		wantErr(t, "RemovePasskey", d.RemovePasskey(t.Context(), mallory.ID, p.ID), directory.ErrNotFound)
		got, err := d.Passkey(t.Context(), p.ID)
		got.AAGUID = nil
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, %v, want %+v", got, err, p)
		}
	})
}

func TestAPasskeyIsRenamedAndRemoved(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		addPasskey(t, d, directory.Passkey{ID: []byte("phone"), UserID: alice.ID})
		addPasskey(t, d, directory.Passkey{ID: []byte("laptop"), UserID: alice.ID, Name: "Laptop"})
		if err := d.RenamePasskey(t.Context(), alice.ID, []byte("phone"), " Phone "); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RenamePasskey", d.RenamePasskey(t.Context(), alice.ID, []byte("phone"), "a\x00b"), directory.ErrName)
		var names []string
		passkeys, err := d.Passkeys(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range passkeys {
			names = append(names, p.Name)
		}
		if want := []string{"Phone", "Laptop"}; !slices.Equal(names, want) {
			t.Errorf("names: got %q, want %q", names, want)
		}

		if err := d.RemovePasskey(t.Context(), alice.ID, []byte("phone")); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RemovePasskey again", d.RemovePasskey(t.Context(), alice.ID, []byte("phone")), directory.ErrNotFound)
		_, err = d.Passkey(t.Context(), []byte("phone"))
		wantErr(t, "Passkey", err, directory.ErrNotFound)
		_, err = d.Passkey(t.Context(), nil)
		wantErr(t, "Passkey of no ID", err, directory.ErrNotFound)
		if _, err := d.Passkey(t.Context(), []byte("laptop")); err != nil {
			t.Errorf("the other passkey: %v", err)
		}
	})
}

func TestAPasskeyIsFoundWithItsOwner(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		ctx := t.Context()
		alice := createUser(t, d, "alice@example.com")
		if err := d.SetGroups(ctx, alice.ID, []string{"staff", "admins"}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.AddEmail(ctx, alice.ID, directory.NewEmail{Address: "alice@example.net"}, 5); err != nil {
			t.Fatal(err)
		}
		bob := createUser(t, d, "bob@example.com")
		addPasskey(t, d, directory.Passkey{ID: []byte("alice's"), UserID: alice.ID, Transports: []string{"usb"}})
		addPasskey(t, d, directory.Passkey{ID: []byte("bob's"), UserID: bob.ID})

		passkey, owner, err := d.PasskeyOwner(ctx, []byte("alice's"))
		if err != nil {
			t.Fatal(err)
		}
		wantPasskey, err := d.Passkey(ctx, []byte("alice's"))
		if err != nil {
			t.Fatal(err)
		}
		wantOwner, err := d.User(ctx, alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(passkey, wantPasskey) {
			t.Errorf("got passkey %+v, want %+v", passkey, wantPasskey)
		}
		if !reflect.DeepEqual(owner, wantOwner) {
			t.Errorf("got owner %+v, want %+v", owner, wantOwner)
		}
		if _, _, err := d.PasskeyOwner(ctx, []byte("nobody's")); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("of an unknown passkey: got %v, want ErrNotFound", err)
		}
	})
}
