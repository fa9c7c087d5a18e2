package faults

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // an operator who edits a file by hand

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// An operator changes users with SQL, and nobody tells the nodes. They hear of it long
// before they would ask, which they do once a minute where they cannot hear.
func TestWhatSQLChangesIsTrueOnAllNodes(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (option string, do func(statement string, args ...any)){
		"embedded": func(t *testing.T) (string, func(string, ...any)) {
			path := filepath.Join(t.TempDir(), "directory.db")
			return "embedded:" + path, func(statement string, args ...any) {
				t.Helper()
				db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout=5000&_foreign_keys=1")
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
					t.Fatal(err)
				}
			}
		},
		"PostgreSQL": func(t *testing.T) (string, func(string, ...any)) {
			postgres := directorytest.SharedPostgres(t)
			address := postgres.NewDatabase()
			return address, func(statement string, args ...any) {
				t.Helper()
				postgres.QueryIn(address, statement, args...)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const heard = 15 * time.Second // it is asked for every second
			directory, do := open(t)
			s := startSite(t, 2, secrets+"store "+storetest.StartRedis(t).URL()+"\n\t\tdirectory "+directory)
			here, there := s.program(t, 0), s.program(t, 1)
			tokens := make(map[string]string)
			for _, address := range []string{"ann@example.com", "bob@example.com", "cat@example.com"} {
				token, err := here.SignIn(t.Context(), s.box, address)
				if err != nil {
					t.Fatal(err)
				}
				tokens[address] = token
				for _, p := range []*testbed.Program{here, there} {
					if err := p.Is(address, token); err != nil {
						t.Fatal(err)
					}
				}
			}
			refused := func(address string) func() bool {
				return func() bool {
					for _, p := range []*testbed.Program{here, there} {
						if a, err := p.Send("GET", "/", tokens[address], nil); err != nil || a.Status != http.StatusUnauthorized {
							return false
						}
					}
					return true
				}
			}

			const of = ` (SELECT user_id FROM emails WHERE address = $1)`
			do(`UPDATE users SET disabled = TRUE WHERE id =`+of, "bob@example.com")
			testbed.Eventually(t, heard, "bob, who is disabled, to be refused", refused("bob@example.com"))
			do(`DELETE FROM users WHERE id =`+of, "cat@example.com")
			testbed.Eventually(t, heard, "cat, who is removed, to be refused", refused("cat@example.com"))
			do(`UPDATE emails SET address = 'anna@example.com' WHERE address = $1`, "ann@example.com")
			testbed.Eventually(t, heard, "ann to be known by her new address", func() bool {
				return here.Is("anna@example.com", tokens["ann@example.com"]) == nil && there.Is("anna@example.com", tokens["ann@example.com"]) == nil
			})
		})
	}
}
