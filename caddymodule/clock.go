package caddymodule

import "time"

// now is the clock of everything that this package makes. It is a variable so that
// a test can run a whole gateway whose clock is wrong, as that of one node among
// several may be. Nothing else sets it.
var now = time.Now
