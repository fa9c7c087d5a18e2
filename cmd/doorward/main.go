// Command doorward is Caddy with Doorward in it: everything that caddy does, and
// the sub-commands of Doorward without a prefix, as in "doorward users list".
package main

import (
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/doorward/doorward/caddymodule"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	os.Args = caddymodule.ExpandArgs(os.Args)
	caddycmd.Main()
}
