// Package doorward is the whole of Doorward, to be built into Caddy:
//
//	xcaddy build --with github.com/doorward/doorward
//
// It has nothing of its own. See package caddymodule for what it registers, and
// docs/architecture.md for how the parts go together.
package doorward

import _ "github.com/doorward/doorward/caddymodule"
