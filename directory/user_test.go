package directory_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

func TestANewUserIsReadBackWhole(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, other := open(t), open(t)
		created, err := d.CreateUser(t.Context(), directory.NewUser{
			Address: "alice@example.com", Verified: true, Name: "  Alice Šmíd ", Added: true,
			Groups: []string{"staff", "Admins", "staff"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := created.Name, "Alice Šmíd"; got != want {
			t.Errorf("name: got %q, want %q", got, want)
		}
		if got, want := created.Groups, []string{"Admins", "staff"}; !slices.Equal(got, want) {
			t.Errorf("groups: got %q, want %q", got, want)
		}
		e, ok := created.Primary()
		if !ok || e.Address != "alice@example.com" || !e.Verified || e.ID == "" || e.ID == created.ID {
			t.Errorf("primary address: got %+v, %t", e, ok)
		}
		if created.Disabled || !created.Added || created.CreatedAt.IsZero() || !created.CreatedAt.Equal(created.UpdatedAt) {
			t.Errorf("got %+v", created)
		}

		byID, err := other.User(t.Context(), created.ID)
		if err != nil || !reflect.DeepEqual(byID, created) {
			t.Errorf("User: got %+v, %v, want %+v", byID, err, created)
		}
		byAddress, err := other.UserByAddress(t.Context(), "alice@example.com")
		if err != nil || !reflect.DeepEqual(byAddress, created) {
			t.Errorf("UserByAddress: got %+v, %v, want %+v", byAddress, err, created)
		}
	})
}

func TestManyUsersAreReadBackAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		var users []directory.User
		for i := range 70 { // more than one query is about
			u := createUser(t, d, fmt.Sprintf("user%d@example.com", i))
			users = append(users, u)
		}
		addEmail(t, d, users[1].ID, "second@example.com", true)
		var err error
		if users[1], err = d.User(t.Context(), users[1].ID); err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveUser(t.Context(), users[0].ID); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 2, 64, 65, 66, 70} {
			ids := []string{"", "no ID", strings.Repeat("f", 36)}
			for _, u := range users[:n] {
				ids = append(ids, u.ID)
			}
			got, err := d.UsersByID(t.Context(), ids...)
			if err != nil {
				t.Fatal(err)
			}
			byID := func(a, b directory.User) int { return strings.Compare(a.ID, b.ID) }
			want := slices.Clone(users[min(n, 1):n])
			slices.SortFunc(got, byID)
			slices.SortFunc(want, byID)
			if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("of %d users, the first of whom is gone: got %+v, want %+v", n, got, want)
			}
		}
	})
}

func TestAUserWhoSignedUpIsNeitherAddedNorVerified(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		u, err := d.User(t.Context(), createUser(t, d, "alice@example.com").ID)
		if err != nil {
			t.Fatal(err)
		}
		if u.Added || u.Disabled || u.Groups != nil || len(u.Emails) != 1 || u.Emails[0].Verified {
			t.Errorf("got %+v", u)
		}
	})
}

func TestAnAddressBelongsToOneUser(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		_, err := d.CreateUser(t.Context(), directory.NewUser{Address: "alice@example.com", Groups: []string{"admins"}})
		wantErr(t, "CreateUser", err, directory.ErrTaken)

		users, err := d.Users(t.Context(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(users) != 1 || !reflect.DeepEqual(users[0], alice) {
			t.Errorf("users after a refused one: got %+v, want only %+v", users, alice)
		}
	})
}

func TestConcurrentSignUpsOfOneAddressMakeOneUser(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		for round := range 5 {
			a := address(t, fmt.Sprintf("user%d@example.com", round))
			errs := concurrently(8, func(i int) error {
				_, err := handles[i%2].CreateUser(t.Context(), directory.NewUser{Address: a})
				return err
			})
			var created, taken int
			for _, err := range errs {
				switch {
				case err == nil:
					created++
				case errors.Is(err, directory.ErrTaken):
					taken++
				default:
					t.Fatal(err)
				}
			}
			if created != 1 || taken != 7 {
				t.Errorf("%d users created and %d refused, want 1 and 7", created, taken)
			}
		}
		users, err := handles[0].Users(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(users) != 5 {
			t.Errorf("got %d users, want 5", len(users))
		}
	})
}

// concurrently calls f n times at once and returns what the calls returned.
func concurrently(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func TestAUserWithAFlawIsNotCreated(t *testing.T) {
	tests := []struct {
		name string
		flaw func(*directory.NewUser)
		want error
	}{
		{"no address", func(n *directory.NewUser) { n.Address = "" }, directory.ErrAddress},
		{"an address not parsed", func(n *directory.NewUser) { n.Address = "Alice@Example.com" }, directory.ErrAddress},
		{"a long name", func(n *directory.NewUser) { n.Name = strings.Repeat("é", 65) }, directory.ErrName},
		{"a name of two lines", func(n *directory.NewUser) { n.Name = "Alice\r\nRemote-User: root" }, directory.ErrName},
		{"a name with a NUL", func(n *directory.NewUser) { n.Name = "Alice\x00" }, directory.ErrName},
		{"a name that is no text", func(n *directory.NewUser) { n.Name = "Alice\xff" }, directory.ErrName},
		{"a name that turns around", func(n *directory.NewUser) { n.Name = "Alice \u202egro.elpmaxe" }, directory.ErrName},
		{"an empty group", func(n *directory.NewUser) { n.Groups = []string{"staff", ""} }, directory.ErrGroup},
		{"a group with a comma", func(n *directory.NewUser) { n.Groups = []string{"staff,admins"} }, directory.ErrGroup},
		{"a group with a space", func(n *directory.NewUser) { n.Groups = []string{"staff admins"} }, directory.ErrGroup},
		{"a long group", func(n *directory.NewUser) { n.Groups = []string{strings.Repeat("g", 65)} }, directory.ErrGroup},
		{"a group of other letters", func(n *directory.NewUser) { n.Groups = []string{"аdmins"} }, directory.ErrGroup},
	}
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		for _, tt := range tests {
			n := directory.NewUser{Address: "alice@example.com", Name: "Alice", Groups: []string{"staff"}}
			tt.flaw(&n)
			_, err := d.CreateUser(t.Context(), n)
			wantErr(t, tt.name, err, tt.want)
		}
		if users, err := d.Users(t.Context(), "", 10); err != nil || len(users) != 0 {
			t.Errorf("users: got %+v, %v, want none", users, err)
		}
		n := directory.NewUser{
			Address: "alice@example.com",
			Name:    strings.Repeat("é", 64),
			Groups:  []string{"oidc:Staff_1.x-y", strings.Repeat("g", 64)},
		}
		if _, err := d.CreateUser(t.Context(), n); err != nil {
			t.Errorf("the longest names: %v", err)
		}
	})
}

func TestStrangersAreNotFound(t *testing.T) {
	const nobody = "0b7e1c7e-8f5c-4e4a-9d3e-2f4c5a6b7c8d"
	var email string // an ID that somebody has
	operations := map[string]func(ctx context.Context, d *directory.Directory, id string) error{
		"User": func(ctx context.Context, d *directory.Directory, id string) error {
			_, err := d.User(ctx, id)
			return err
		},
		"SetDisabled": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetDisabled(ctx, id, true)
		},
		"SetAdded": func(ctx context.Context, d *directory.Directory, id string) error { return d.SetAdded(ctx, id, true) },
		"SetName":  func(ctx context.Context, d *directory.Directory, id string) error { return d.SetName(ctx, id, "x") },
		"SetGroups": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetGroups(ctx, id, []string{"x"})
		},
		"RemoveUser": func(ctx context.Context, d *directory.Directory, id string) error { return d.RemoveUser(ctx, id) },
		"MarkVerified": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.MarkVerified(ctx, id, "alice@example.com")
		},
		"AddEmail": func(ctx context.Context, d *directory.Directory, id string) error {
			_, err := d.AddEmail(ctx, id, directory.NewEmail{Address: "second@example.com"}, 5)
			return err
		},
		"SetPrimary": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetPrimary(ctx, id, email)
		},
		"RemoveEmail": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.RemoveEmail(ctx, id, email)
		},
		"UsePasskey": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.UsePasskey(ctx, directory.PasskeyUse{ID: []byte("passkey"), UserID: id, SignCount: 9})
		},
		"RenamePasskey": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.RenamePasskey(ctx, id, []byte("passkey"), "x")
		},
		"RemovePasskey": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.RemovePasskey(ctx, id, []byte("passkey"))
		},
		"AddPasskey": func(ctx context.Context, d *directory.Directory, id string) error {
			return d.AddPasskey(ctx, directory.Passkey{ID: []byte("another"), UserID: id, PublicKey: []byte("key")})
		},
	}
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		email = alice.Emails[0].ID
		addPasskey(t, d, directory.Passkey{ID: []byte("passkey"), UserID: alice.ID})
		before, err := d.User(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		for name, operation := range operations {
			for _, id := range []string{nobody, "", "alice", alice.ID + "\x00", strings.ToUpper(alice.ID), "%", "' OR 1=1 --"} {
				wantErr(t, fmt.Sprintf("%s(%q)", name, id), operation(t.Context(), d, id), directory.ErrNotFound)
			}
		}
		_, err = d.UserByAddress(t.Context(), "bob@example.com")
		wantErr(t, "UserByAddress", err, directory.ErrNotFound)
		_, err = d.Users(t.Context(), "alice", 10)
		wantErr(t, "Users", err, directory.ErrNotFound)

		after, err := d.User(t.Context(), alice.ID)
		if err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("bystander: got %+v, %v, want %+v", after, err, before)
		}
		if passkeys, err := d.Passkeys(t.Context(), alice.ID); err != nil || len(passkeys) != 1 || passkeys[0].Name != "" || passkeys[0].SignCount != 0 {
			t.Errorf("bystander's passkeys: got %+v, %v", passkeys, err)
		}
	})
}

func TestPagesOfUsersHoldEveryUserOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		var want []directory.User
		for i := range 11 {
			n := directory.NewUser{Address: address(t, fmt.Sprintf("user%d@example.com", i))}
			if i%2 == 0 {
				n.Groups = []string{"even", fmt.Sprintf("group%d", i)}
			}
			u, err := d.CreateUser(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, u)
		}
		slices.SortFunc(want, func(a, b directory.User) int { return strings.Compare(a.ID, b.ID) })

		var got []directory.User
		var after string
		for range len(want) {
			page, err := d.Users(t.Context(), after, 4)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > 4 {
				t.Fatalf("got a page of %d users, want at most 4", len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1].ID
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		for _, limit := range []int{0, -1} {
			if page, err := d.Users(t.Context(), "", limit); err != nil || len(page) != 0 {
				t.Errorf("limit %d: got %d users, %v, want none", limit, len(page), err)
			}
		}
	})
}

func TestAChangeOfAUserChangesThatAlone(t *testing.T) {
	tests := []struct {
		name   string
		change func(ctx context.Context, d *directory.Directory, id string) error
		want   func(*directory.User)
	}{
		{"disable", func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetDisabled(ctx, id, true)
		},
			func(u *directory.User) { u.Disabled = true }},
		{"enable", func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetDisabled(ctx, id, false)
		},
			func(u *directory.User) { u.Disabled = false }},
		{"add", func(ctx context.Context, d *directory.Directory, id string) error { return d.SetAdded(ctx, id, true) },
			func(u *directory.User) { u.Added = true }},
		{"un-add", func(ctx context.Context, d *directory.Directory, id string) error { return d.SetAdded(ctx, id, false) },
			func(u *directory.User) { u.Added = false }},
		{"name", func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetName(ctx, id, " Alice ")
		},
			func(u *directory.User) { u.Name = "Alice" }},
		{"forget the name", func(ctx context.Context, d *directory.Directory, id string) error { return d.SetName(ctx, id, "") },
			func(u *directory.User) { u.Name = "" }},
		{"join groups", func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetGroups(ctx, id, []string{"b", "a", "b"})
		}, func(u *directory.User) { u.Groups = []string{"a", "b"} }},
		{"change groups", func(ctx context.Context, d *directory.Directory, id string) error {
			return d.SetGroups(ctx, id, []string{"b", "c"})
		}, func(u *directory.User) { u.Groups = []string{"b", "c"} }},
		{"leave all groups", func(ctx context.Context, d *directory.Directory, id string) error { return d.SetGroups(ctx, id, nil) },
			func(u *directory.User) { u.Groups = nil }},
	}
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		bystander := createUser(t, d, "bob@example.com")
		want := createUser(t, d, "alice@example.com")
		for _, tt := range tests {
			if err := tt.change(t.Context(), d, want.ID); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			got, err := d.User(t.Context(), want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !got.UpdatedAt.After(want.UpdatedAt) {
				t.Errorf("%s: UpdatedAt stayed %v", tt.name, got.UpdatedAt)
			}
			tt.want(&want)
			want.UpdatedAt = got.UpdatedAt
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v, want %+v", tt.name, got, want)
			}
		}
		if got, err := d.User(t.Context(), bystander.ID); err != nil || !reflect.DeepEqual(got, bystander) {
			t.Errorf("bystander: got %+v, %v, want %+v", got, err, bystander)
		}
	})
}

func TestARefusedChangeOfAUserChangesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice, err := d.CreateUser(t.Context(), directory.NewUser{Address: "alice@example.com", Name: "Alice", Groups: []string{"staff"}})
		if err != nil {
			t.Fatal(err)
		}
		bob := createUser(t, d, "bob@example.com")
		wantErr(t, "SetName", d.SetName(t.Context(), alice.ID, "a\nb"), directory.ErrName)
		wantErr(t, "SetGroups", d.SetGroups(t.Context(), alice.ID, []string{"admins", "no such group!"}), directory.ErrGroup)
		wantErr(t, "MarkVerified", d.MarkVerified(t.Context(), alice.ID, "bob@example.com"), directory.ErrNotFound)
		for _, want := range []directory.User{alice, bob} {
			if got, err := d.User(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		}
	})
}

func TestAVerifiedAddressStaysVerified(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		for range 2 {
			if err := d.MarkVerified(t.Context(), alice.ID, "alice@example.com"); err != nil {
				t.Fatal(err)
			}
			u, err := d.User(t.Context(), alice.ID)
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := u.Primary(); !ok || !e.Verified || !e.UpdatedAt.After(e.CreatedAt) {
				t.Errorf("got %+v, want it verified", e)
			}
		}
	})
}

// A removed user leaves nothing that a sign-in could find: neither address nor
// passkey.
func TestARemovedUserLeavesOnlyAuditRecords(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice, err := d.CreateUser(t.Context(), directory.NewUser{Address: "alice@example.com", Groups: []string{"admins"}})
		if err != nil {
			t.Fatal(err)
		}
		addPasskey(t, d, directory.Passkey{ID: []byte("passkey"), UserID: alice.ID})
		if err := d.Record(t.Context(), directory.Event{Type: "sign-up", UserID: alice.ID}); err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveUser(t.Context(), alice.ID); err != nil {
			t.Fatal(err)
		}

		_, err = d.User(t.Context(), alice.ID)
		wantErr(t, "User", err, directory.ErrNotFound)
		_, err = d.UserByAddress(t.Context(), "alice@example.com")
		wantErr(t, "UserByAddress", err, directory.ErrNotFound)
		_, err = d.Passkey(t.Context(), []byte("passkey"))
		wantErr(t, "Passkey", err, directory.ErrNotFound)
		wantErr(t, "RemoveUser again", d.RemoveUser(t.Context(), alice.ID), directory.ErrNotFound)
		if events, err := d.Events(t.Context(), alice.ID, 10); err != nil || len(events) != 1 {
			t.Errorf("audit records: got %+v, %v, want 1", events, err)
		}

		again := createUser(t, d, "alice@example.com")
		if again.ID == alice.ID {
			t.Error("the ID of a removed user was used again")
		}
		if u, err := d.User(t.Context(), again.ID); err != nil || u.Groups != nil {
			t.Errorf("the next user of the address: got %+v, %v, want no groups", u, err)
		}
		addPasskey(t, d, directory.Passkey{ID: []byte("passkey"), UserID: again.ID})
	})
}

func TestAUserHandleNamesItsUser(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		seen := make(map[string]bool)
		for i := range 20 {
			u := createUser(t, d, fmt.Sprintf("user%d@example.com", i))
			h := u.Handle()
			if len(h) != 16 || seen[string(h)] {
				t.Errorf("handle of %s: got %x", u.ID, h)
			}
			seen[string(h)] = true
			if id, err := directory.UserIDFromHandle(h); err != nil || id != u.ID {
				t.Errorf("UserIDFromHandle(%x): got %q, %v, want %q", h, id, err, u.ID)
			}
		}
	})
	valid := []byte{0x0b, 0x7e, 0x1c, 0x7e, 0x8f, 0x5c, 0x4e, 0x4a, 0x9d, 0x3e, 0x2f, 0x4c, 0x5a, 0x6b, 0x7c, 0x8d}
	if id, err := directory.UserIDFromHandle(valid); err != nil || id != "0b7e1c7e-8f5c-4e4a-9d3e-2f4c5a6b7c8d" {
		t.Errorf("UserIDFromHandle(%x): got %q, %v", valid, id, err)
	}
	otherVersion, otherVariant := slices.Clone(valid), slices.Clone(valid)
	otherVersion[6] = 0x1e
	otherVariant[8] = 0xcd
	for _, h := range [][]byte{nil, {}, valid[:15], append(slices.Clone(valid), 0), otherVersion, otherVariant, make([]byte, 16)} {
		_, err := directory.UserIDFromHandle(h)
		wantErr(t, fmt.Sprintf("UserIDFromHandle(%x)", h), err, directory.ErrNotFound)
	}
	if h := (directory.User{}).Handle(); h != nil {
		t.Errorf("handle of no user: got %x, want nil", h)
	}
	if e, ok := (directory.User{}).Primary(); ok {
		t.Errorf("primary address of no user: got %+v", e)
	}
}

func TestTimesAreReadBackAsTheyWereAnswered(t *testing.T) {
	odd := time.Date(2026, 7, 8, 9, 10, 11, 123_456_789, time.FixedZone("", 3600))
	onEachRaw(t, func() time.Time { return odd }, func(t *testing.T, open opener, _ func(string, ...any)) {
		d := open(t)
		u := createUser(t, d, "alice@example.com")
		if want := odd.Truncate(time.Microsecond); !u.CreatedAt.Equal(want) || u.CreatedAt.Location() != time.UTC {
			t.Errorf("CreatedAt: got %v, want %v in UTC", u.CreatedAt, want)
		}
		if got, err := d.User(t.Context(), u.ID); err != nil || !got.CreatedAt.Equal(u.CreatedAt) {
			t.Errorf("CreatedAt read back: got %v, %v, want %v", got.CreatedAt, err, u.CreatedAt)
		}
	})
}

func TestAddressesComePrimaryFirstAndThenByAge(t *testing.T) {
	onEachRaw(t, func() time.Time { return epoch }, func(t *testing.T, open opener, exec func(string, ...any)) {
		d := open(t)
		alice, bob := createUser(t, d, "primary@example.com"), createUser(t, d, "bob@example.com")
		for i, a := range []string{"old@example.com", "older@example.com", "new@example.com"} {
			at := epoch.Add([]time.Duration{-time.Hour, -2 * time.Hour, time.Hour}[i]).UnixMicro()
			exec(`INSERT INTO emails VALUES ($1, $2, $3, FALSE, FALSE, $4, $4)`, fmt.Sprint(i), alice.ID, a, at)
		}

		want := []directory.Address{"primary@example.com", "older@example.com", "old@example.com", "new@example.com"}
		check := func(u directory.User, err error) {
			t.Helper()
			var got []directory.Address
			for _, e := range u.Emails {
				got = append(got, e.Address)
			}
			if err != nil || u.ID != alice.ID || !slices.Equal(got, want) {
				t.Errorf("got %+v, %v, want addresses %q", u, err, want)
			}
		}
		check(d.User(t.Context(), alice.ID))
		check(d.UserByAddress(t.Context(), "old@example.com"))
		users, err := d.Users(t.Context(), "", 2)
		if err != nil || len(users) != 2 {
			t.Fatalf("got %+v, %v, want 2 users", users, err)
		}
		check(users[slices.IndexFunc(users, func(u directory.User) bool { return u.ID == alice.ID })], nil)
		if u, err := d.User(t.Context(), bob.ID); err != nil || len(u.Emails) != 1 {
			t.Errorf("another user: got %+v, %v", u, err)
		}

		if err := d.MarkVerified(t.Context(), alice.ID, "old@example.com"); err != nil {
			t.Fatal(err)
		}
		u, err := d.User(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range u.Emails {
			if want := e.Address == "old@example.com"; e.Verified != want {
				t.Errorf("%s: verified is %t, want %t", e.Address, e.Verified, want)
			}
		}
	})
}

// PostgreSQL keeps no such text, and would fail where the answer is no.
func TestAnAddressThatIsNoTextIsNotFound(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		for _, a := range []directory.Address{"alice@example.com\x00", "\x00", "alice\xff@example.com", ""} {
			_, err := d.UserByAddress(t.Context(), a)
			wantErr(t, fmt.Sprintf("UserByAddress(%q)", a), err, directory.ErrNotFound)
			wantErr(t, fmt.Sprintf("MarkVerified(%q)", a), d.MarkVerified(t.Context(), alice.ID, a), directory.ErrNotFound)
		}
		if u, err := d.User(t.Context(), alice.ID); err != nil || !reflect.DeepEqual(u, alice) {
			t.Errorf("got %+v, %v, want %+v", u, err, alice)
		}
	})
}
