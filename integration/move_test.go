package integration

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// A site outgrows its machine, and one day goes back. Each server has a secret of
// its own, behind which the older ones are.
func TestASiteMovesToPostgreSQLAndBackWithItsPasskeysAndKeys(t *testing.T) {
	const first, second, third = "8JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo", "Qm4Zr7LwX2cVt9HyPb6KdSfG1jNeUaRo", "w5TnYk3BxGz8MvCq1RjLsDp7FhUe4AiO"
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	start := func(more string) *testbed.Gateway {
		return testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, more)})
	}
	old := start("secret " + first)
	p := testbed.NewProgram(t, old, "")
	token, err := p.SignIn(t.Context(), box, "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.AddPasskey(token)
	if err != nil {
		t.Fatal(err)
	}
	app.Forget()
	if err := p.Is("ann@example.com", token); err != nil {
		t.Fatal(err)
	}
	signedBy := kid(t, app.Requests()[0].Header.Get("X-Auth-Token"))

	stranger := start("directory " + directorytest.SharedPostgres(t).NewDatabase() + "\n\t\tsecret " + second)
	file := filepath.Join(t.TempDir(), "site.export")
	run(t, old, "export", "--output", file)
	if output, err := stranger.Run("import", file); err == nil || !strings.Contains(output, "secret {new} {old}") {
		t.Errorf("import without the old secret: %v: %s", err, output)
	}

	from := old
	for _, more := range []string{
		"directory " + directorytest.SharedPostgres(t).NewDatabase() + "\n\t\tsecret " + second + " " + first,
		"secret " + third + " " + second + " " + first,
	} {
		to := start(more)
		p := testbed.NewProgram(t, to, "")
		key.Origin = p.Base // a passkey is the relying party's, whatever the port is
		if _, err := p.SignInWith(key); err == nil {
			t.Fatal("the passkey signs in where nobody knows it")
		}
		own := published(t, p)
		file := filepath.Join(t.TempDir(), "site.export")
		run(t, from, "export", "--output", file)
		run(t, to, "import", file)

		token, err := p.SignInWith(key)
		if err != nil {
			t.Fatalf("the passkey after the move: %v", err)
		}
		if err := p.Is("ann@example.com", token); err != nil {
			t.Error(err)
		}
		now := published(t, p)
		for _, before := range []map[string]bool{own, published(t, testbed.NewProgram(t, from, ""))} {
			for id := range before {
				if !now[id] {
					t.Errorf("key %s is not published after the move: %v", id, now)
				}
			}
		}
		if !now[signedBy] {
			t.Errorf("the key %s that signed the first assertion is not published: %v", signedBy, now)
		}
		from = to
	}
}

func run(t *testing.T, g *testbed.Gateway, args ...string) {
	t.Helper()
	if output, err := g.Run(args...); err != nil {
		t.Fatalf("doorward %s: %v: %s", strings.Join(args, " "), err, output)
	}
}

// kid returns the key ID in the header of a JWT.
func kid(t *testing.T, token string) string {
	t.Helper()
	encoded, _, _ := strings.Cut(token, ".")
	content, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(content, &header); err != nil || header.Kid == "" {
		t.Fatalf("%v: no kid in %s", err, content)
	}
	return header.Kid
}

// published returns the IDs of the keys in the JWKS.
func published(t *testing.T, p *testbed.Program) map[string]bool {
	t.Helper()
	a, err := p.Want(200, "GET", "/doorward/.well-known/jwks.json", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := a.JSON(&set); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, k := range set.Keys {
		ids[k.Kid] = true
	}
	return ids
}
