package caddymodule

import (
	"path/filepath"
	"testing"

	"github.com/doorward/doorward/directory"
)

func TestEachDirectoryOptionArrivesWhereItBelongs(t *testing.T) {
	t.Setenv("PGPASSWORD", "post/gres@")
	for _, tt := range []struct {
		name, options string
		want          directory.PostgresOptions
	}{
		{"every option", "directory postgres://db1,db2:5433/doorward?sslmode=verify-full {\n user doorward\n password {env.PGPASSWORD}\n max_connections 8\n}",
			directory.PostgresOptions{URL: "postgres://doorward:post%2Fgres%40@db1,db2:5433/doorward?sslmode=verify-full", MaxConnections: 8}},
		{"none", "directory postgresql://db/doorward",
			directory.PostgresOptions{URL: "postgresql://db/doorward"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := configuredApp(t, tt.options).Directory.resolved()
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := d.postgres()
			if err != nil {
				t.Fatal(err)
			}
			if got.URL != tt.want.URL || got.MaxConnections != tt.want.MaxConnections || got.Now != nil {
				t.Errorf("the options are %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestEveryDirectoryOptionIdentifiesTheConnection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "root.pem")
	write(t, file, "one")
	base := Directory{URL: "postgres://db/doorward?sslrootcert=" + file, User: "u", Password: "p", MaxConnections: 4}
	identity := func(d Directory) string {
		t.Helper()
		_, where, err := d.postgres()
		if err != nil {
			t.Fatal(err)
		}
		return where
	}
	want := identity(base)
	if got := identity(base); got != want {
		t.Error("the same options are another connection")
	}
	for name, change := range map[string]func(*Directory){
		"URL":             func(d *Directory) { d.URL += "&connect_timeout=3" },
		"user":            func(d *Directory) { d.User = "v" },
		"password":        func(d *Directory) { d.Password = "q" },
		"max_connections": func(d *Directory) { d.MaxConnections = 5 },
	} {
		d := base
		change(&d)
		if got := identity(d); got == want {
			t.Errorf("with another %s the connection is the same", name)
		}
	}
	// The driver reads the file once, so a new one needs new connections.
	write(t, file, "two")
	if got := identity(base); got == want {
		t.Error("with other authorities the connection is the same")
	}
}
