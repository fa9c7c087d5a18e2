package testbed

import (
	"strings"

	"github.com/doorward/doorward/mail/mailtest"
)

// TrustPrograms is a global option of Caddy that makes a gateway believe its
// clients where they come from, so that no [Program] spends the budget of
// another.
const TrustPrograms = `servers {
		trusted_proxies static private_ranges
	}`

// Caddyfile returns a Caddyfile with a door in front of an app, for whoever has an
// address at example.com, with more in the global option doorward and beside it.
func Caddyfile(app *App, box *mailtest.Mailbox, more string, beside ...string) string {
	return `{
	` + strings.Join(beside, "\n\t") + `
	doorward {
		mail ` + box.URL() + ` {
			from "Doorward <door@example.com>"
		}
		` + more + `
	}
}
http://localhost:$PORT {
	bind $HOST
	doorward {
		allow *@example.com
		bypass /healthz
	}
	reverse_proxy ` + app.Addr + `
}
`
}
