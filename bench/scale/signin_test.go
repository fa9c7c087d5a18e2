package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// A line is one kind of sign-in that is timed.
type line struct {
	passkey bool // otherwise a passcode
	atOnce  int
}

var lines = []line{{true, 1}, {false, 1}, {true, 8}, {false, 8}}

func (l line) String() string {
	kind, how := "passcode sign-in", "one at a time"
	if l.passkey {
		kind = "passkey sign-in"
	}
	if l.atOnce > 1 {
		how = fmt.Sprintf("%d at once", l.atOnce)
	}
	return kind + ", " + how
}

// batch is how many sign-ins a site has in its turn, for each that is under way
// at once.
const batch = 5

// A turn is the sign-ins of one kind at one site that are still to be made.
type turn struct {
	line
	site     *site
	programs []*testbed.Program
	users    []int // of the sample, in the order in which they sign in
	warm     int   // how many are not counted
}

// mostOften is how often a user of the sample may be asked to sign in with one
// kind. A person is sent ten letters an hour at most.
const mostOften = 4

// timeSignIns has users of each site sign in, and takes the time. Nobody signs in
// twice with the same kind before all of the sample have; the sites and, among
// those of the same number at once, the kinds take turns.
func timeSignIns(t *testing.T, sites []*site) {
	t.Helper()
	for _, atOnce := range []int{1, 8} {
		var turns []*turn
		for _, s := range sites {
			for _, l := range lines {
				if l.atOnce == atOnce {
					turns = append(turns, newTurn(t, s, l))
				}
			}
		}
		for more := true; more; {
			more = false
			for _, turn := range shuffled(turns) {
				turn.take(t)
				more = more || len(turn.users) > 0
			}
		}
	}
}

func newTurn(t *testing.T, s *site, l line) *turn {
	t.Helper()
	turn := &turn{line: l, site: s, warm: *signIns / 10}
	n, sample := turn.warm+*signIns, len(s.people.sample)
	if n > mostOften*sample {
		t.Fatalf("-signins %d: in a site of %d users each of %d would sign in more than %d times", *signIns, s.size, sample, mostOften)
	}
	for len(turn.users) < n {
		turn.users = append(turn.users, rand.Perm(sample)...)
	}
	turn.users = turn.users[:n]
	for range l.atOnce {
		turn.programs = append(turn.programs, s.program(t))
	}
	return turn
}

// take makes the sign-ins of one turn.
func (u *turn) take(t *testing.T) {
	t.Helper()
	n := min(len(u.users), u.atOnce)
	if u.atOnce > 1 {
		n = min(len(u.users), u.atOnce*batch)
	}
	took := make(durations, n)
	err := parallel(t.Context(), u.atOnce, n, func(ctx context.Context, worker, i int) (err error) {
		took[i], err = u.signIn(ctx, u.programs[worker], u.users[i])
		return err
	})
	if err != nil {
		t.Fatalf("%d users, %v: %v", u.site.size, u.line, err)
	}
	u.users = u.users[n:]
	u.site.signed += n
	dropped := min(n, u.warm)
	u.warm -= dropped
	u.site.took.signIns[u.line] = append(u.site.took.signIns[u.line], took[dropped:]...)
}

// networks counts the client networks that sign-ins came from. Each has a budget.
var networks atomic.Uint32

// signIn signs a user of the sample in. It returns how long the gateway took to
// answer the two requests: not what the user's device and the mail took between
// them.
func (u *turn) signIn(ctx context.Context, p *testbed.Program, n int) (time.Duration, error) {
	network := networks.Add(1)
	p.From = fmt.Sprintf("198.%d.%d.%d", 18+network>>16&1, network>>8&0xff, network&0xff)
	ceremony := u.passcode
	if u.passkey {
		ceremony = u.passkeyCeremony
	}
	took, a, err := ceremony(ctx, p, n)
	if err != nil {
		return 0, err
	}
	claims, err := testbed.Claims(a.Session())
	if err != nil {
		return 0, err
	}
	if want := u.site.people.id(n * u.site.people.every); claims["sub"] != want {
		return 0, fmt.Errorf("%v was signed in, want %s", claims["sub"], want)
	}
	return took, nil
}

func (u *turn) passkeyCeremony(_ context.Context, p *testbed.Program, n int) (time.Duration, testbed.Answer, error) {
	first, options, err := timed(p, "/doorward/webauthn/login/initialize", nil)
	if err != nil {
		return 0, options, err
	}
	assertion, err := u.site.people.authenticator(n, u.site.gateway.URL).Get([]byte(options.Body))
	if err != nil {
		return 0, options, err
	}
	second, a, err := timed(p, "/doorward/webauthn/login/finalize", json.RawMessage(assertion))
	return first + second, a, err
}

func (u *turn) passcode(ctx context.Context, p *testbed.Program, n int) (time.Duration, testbed.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	address := u.site.people.address(n * u.site.people.every)
	first, a, err := timed(p, "/doorward/passcode/login/initialize", map[string]string{"email": address})
	if err != nil {
		return 0, a, err
	}
	var proof testbed.Proof
	if err := a.JSON(&proof); err != nil {
		return 0, a, err
	}
	letter, err := u.site.box.For(ctx, address)
	if err != nil {
		return 0, a, err
	}
	proof.Code = letter.Passcode()
	second, a, err := timed(p, "/doorward/passcode/login/finalize", proof)
	return first + second, a, err
}

// timed sends a request that has to be answered with 200.
func timed(p *testbed.Program, path string, body any) (time.Duration, testbed.Answer, error) {
	began := time.Now()
	a, err := p.Want(http.StatusOK, "POST", path, "", body)
	return time.Since(began), a, err
}
