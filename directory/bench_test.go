package directory_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

const benchUsers = 500

func benchDirectory(b *testing.B) (*directory.Directory, []directory.User) {
	b.Helper()
	d := openSQLite(b, filepath.Join(b.TempDir(), "directory.db"), time.Now)
	users := make([]directory.User, benchUsers)
	for i := range users {
		users[i] = createUser(b, d, fmt.Sprintf("user%d@example.com", i))
		addPasskey(b, d, directory.Passkey{ID: users[i].Handle(), UserID: users[i].ID})
	}
	return d, users
}

func BenchmarkUserByAddress(b *testing.B) {
	d, users := benchDirectory(b)
	for i := 0; b.Loop(); i++ {
		if _, err := d.UserByAddress(b.Context(), users[i%benchUsers].Emails[0].Address); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPasskey(b *testing.B) {
	d, users := benchDirectory(b)
	for i := 0; b.Loop(); i++ {
		if _, err := d.Passkey(b.Context(), users[i%benchUsers].Handle()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUsePasskey(b *testing.B) {
	d, users := benchDirectory(b)
	for i := 0; b.Loop(); i++ {
		u := users[i%benchUsers]
		use := directory.PasskeyUse{ID: u.Handle(), UserID: u.ID, SignCount: uint32(i + 1)}
		if err := d.UsePasskey(b.Context(), use); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPageOfUsers(b *testing.B) {
	d, _ := benchDirectory(b)
	for b.Loop() {
		if users, err := d.Users(b.Context(), "", 100); err != nil || len(users) != 100 {
			b.Fatalf("got %d users, %v", len(users), err)
		}
	}
}
