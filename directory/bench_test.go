package directory_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

const benchUsers = 500

// benchEach runs a benchmark on every kind of database.
func benchEach(b *testing.B, bench func(b *testing.B, d *directory.Directory, users []directory.User)) {
	b.Helper()
	fill := func(b *testing.B, d *directory.Directory) []directory.User {
		b.Helper()
		users := make([]directory.User, benchUsers)
		for i := range users {
			users[i] = createUser(b, d, fmt.Sprintf("user%d@example.com", i))
			addPasskey(b, d, directory.Passkey{ID: users[i].Handle(), UserID: users[i].ID})
		}
		return users
	}
	b.Run("SQLite", func(b *testing.B) {
		d := openSQLite(b, filepath.Join(b.TempDir(), "directory.db"), time.Now)
		bench(b, d, fill(b, d))
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		d := openPostgres(b, directorytest.SharedPostgres(b).URL(), time.Now)
		bench(b, d, fill(b, d))
	})
}

func BenchmarkUserByAddress(b *testing.B) {
	benchEach(b, func(b *testing.B, d *directory.Directory, users []directory.User) {
		for i := 0; b.Loop(); i++ {
			if _, err := d.UserByAddress(b.Context(), users[i%benchUsers].Emails[0].Address); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPasskey(b *testing.B) {
	benchEach(b, func(b *testing.B, d *directory.Directory, users []directory.User) {
		for i := 0; b.Loop(); i++ {
			if _, err := d.Passkey(b.Context(), users[i%benchUsers].Handle()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPasskeyOwner(b *testing.B) {
	benchEach(b, func(b *testing.B, d *directory.Directory, users []directory.User) {
		for i := 0; b.Loop(); i++ {
			if _, _, err := d.PasskeyOwner(b.Context(), users[i%benchUsers].Handle()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCreateUser(b *testing.B) {
	benchEach(b, func(b *testing.B, d *directory.Directory, _ []directory.User) {
		for i := 0; b.Loop(); i++ {
			n := directory.NewUser{Address: directory.Address(fmt.Sprintf("new%d@example.com", i)), Groups: []string{"staff"}}
			if _, err := d.CreateUser(b.Context(), n); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkUsePasskey(b *testing.B) {
	benchEach(b, func(b *testing.B, d *directory.Directory, users []directory.User) {
		for i := 0; b.Loop(); i++ {
			u := users[i%benchUsers]
			use := directory.PasskeyUse{ID: u.Handle(), UserID: u.ID, SignCount: uint32(i + 1)}
			if err := d.UsePasskey(b.Context(), use); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The time is for each user, however many are asked for at once.
func BenchmarkUsersByID(b *testing.B) {
	for _, few := range []int{1, 64} {
		b.Run(fmt.Sprint(few), func(b *testing.B) {
			benchEach(b, func(b *testing.B, d *directory.Directory, users []directory.User) {
				b.ResetTimer() // of the users' creation
				for i := 0; i < b.N; i += few {
					ids := make([]string, few)
					for n := range ids {
						ids[n] = users[(i+n)%benchUsers].ID
					}
					if found, err := d.UsersByID(b.Context(), ids...); err != nil || len(found) != few {
						b.Fatalf("got %d users, %v", len(found), err)
					}
				}
			})
		})
	}
}

func BenchmarkPageOfUsers(b *testing.B) {
	benchEach(b, func(b *testing.B, d *directory.Directory, _ []directory.User) {
		for b.Loop() {
			if users, err := d.Users(b.Context(), "", 100); err != nil || len(users) != 100 {
				b.Fatalf("got %d users, %v", len(users), err)
			}
		}
	})
}

// Asked every second by every node, mostly in vain.
func BenchmarkChanges(b *testing.B) {
	benchEach(b, func(b *testing.B, d *directory.Directory, _ []directory.User) {
		mark := settled(b, d)
		b.ResetTimer() // of the users' creation
		for b.Loop() {
			if c, err := d.Changes(b.Context(), mark); err != nil || !c.Unbroken || len(c.Users) > 0 {
				b.Fatalf("got %+v, %v", c, err)
			}
		}
	})
}
