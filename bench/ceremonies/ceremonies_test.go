// Package ceremonies measures what signing in costs: how many passkey and passcode
// sign-ins a gateway does in a second, and how much of its processor each takes,
// with embedded state and with Redis and PostgreSQL. What it measures is the real
// thing: gateway processes, asked over HTTP by many clients at once, each for a
// user of its own, whose authenticator is the one of package authenticator, and
// whose letters go to an SMTP server.
//
// The processor time is the operating system's for the process of the gateway: not
// that of the databases, and not that of the clients, which have to share the
// machine with it. So sign-ins in a second are what the whole machine does, clients
// included, and processor time for each is what the gateway costs. Beside it stands
// what the cryptography alone would cost on the same machine in the same minute: one
// verification of an ES256 signature and one signature.
//
// In the ordinary tests few users sign in, and what is judged is that everybody
// does, however many try at the same moment. scripts/ceremonies sets the flags that
// make it a measurement, and prints a table.
package ceremonies

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	atOnce   = flag.String("atonce", "1,8,64,256", "how many sign in at the same moment")
	signIns  = flag.Int("signins", 1, "sign-ins in each turn; at least one for each who signs in at the same moment")
	rounds   = flag.Int("rounds", 1, "turns of each kind that are measured")
	table    = flag.Bool("table", false, "print a table")
	profiles = flag.String("profiles", "", "folder for processor profiles of the gateways")
	only     = flag.String("only", "", "measure only the turns whose names match this expression, as in 'embedded.*passkey'")
	against  = flag.String("against", "", "path of another gateway, such as that of the last release, to be measured in turns with this one")
	most     = flag.Float64("most", 0, "fail if a passkey sign-in costs the gateway with Redis and PostgreSQL more than this, times a verification and a signature; 0: judge no figure")
)

// A turn is some sign-ins of one kind at one site, measured together.
type turn struct {
	site    *site
	passkey bool // otherwise a passcode
	atOnce  int
}

func (u turn) String() string {
	kind := "passcode"
	if u.passkey {
		kind = "passkey"
	}
	return fmt.Sprintf("%s, %s, %d at once", u.site.name, kind, u.atOnce)
}

// A result is what a turn has come to.
type result struct {
	signIns   int
	took      time.Duration // by the clock on the wall
	processor time.Duration // of the gateway
	signature time.Duration // a verification and a signature, beside it
}

func (r result) rate() float64 { return float64(r.signIns) / r.took.Seconds() }
func (r result) each() time.Duration {
	return r.processor / time.Duration(r.signIns)
}
func (r result) ratio() float64 { return float64(r.each()) / float64(r.signature) }

// TestEverybodySignsInHoweverManyTryAtOnce measures each kind of sign-in at each
// site, in turns whose order is drawn: what else the machine does hits all of them.
func TestEverybodySignsInHoweverManyTryAtOnce(t *testing.T) {
	crowds := numbers(t, *atOnce)
	users := *signIns
	for _, n := range crowds {
		users = max(users, n)
	}
	sites, turns := plan(t, crowds)
	for _, s := range sites {
		s.open(t, users)
	}
	results := make(map[turn][]result)
	for round := range *rounds + 1 {
		for _, i := range rand.Perm(len(turns)) {
			u := turns[i]
			r := u.take(t)
			if round > 0 || *rounds == 1 { // the first is for connections, caches and the heap to come to be
				results[u] = append(results[u], r)
				t.Logf("%v: %.0f/s, %v each, %.2f signatures", u, r.rate(), r.each(), r.ratio())
			}
		}
		if *rounds == 1 {
			break
		}
	}
	for _, s := range sites {
		s.check(t)
	}
	if *table {
		fmt.Print(markdown(t, turns, results))
	}
	if *most > 0 {
		judge(t, turns, results)
	}
}

// plan returns the turns that the flags ask for, and the sites where they are.
func plan(t *testing.T, crowds []int) (sites []*site, turns []turn) {
	t.Helper()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range states {
		for _, binary := range binaries() {
			at := &site{name: state.name, embedded: state.embedded, binary: binary}
			if binary != "" {
				at.name += " (against)"
			}
			before := len(turns)
			for _, n := range crowds {
				for _, passkey := range []bool{true, false} {
					if u := (turn{at, passkey, n}); wanted.MatchString(u.String()) {
						turns = append(turns, u)
					}
				}
			}
			if len(turns) > before {
				state.prepare(t, at)
				sites = append(sites, at)
			}
		}
	}
	if len(turns) == 0 {
		t.Fatalf("-only %q: there is no such turn", *only)
	}
	return sites, turns
}

// binaries returns the gateways that are measured; the empty path is that of this
// repository.
func binaries() []string {
	if *against == "" {
		return []string{""}
	}
	return []string{"", *against}
}

// judge holds passkey sign-ins at the shared site to the flag.
func judge(t *testing.T, turns []turn, results map[turn][]result) {
	t.Helper()
	for _, u := range turns {
		if !u.passkey || u.site.embedded || u.site.binary != "" {
			continue
		}
		if got := middle(results[u], result.ratio); got > *most {
			t.Errorf("%v: a sign-in costs %.2f times a verification and a signature, want %.2f at most", u, got, *most)
		}
	}
}

// numbers reads a list of numbers that are greater than 0.
func numbers(t *testing.T, list string) (numbers []int) {
	t.Helper()
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%q: want numbers, as in 1,8", list)
		}
		numbers = append(numbers, n)
	}
	return numbers
}
