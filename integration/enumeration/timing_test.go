package enumeration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

var (
	samples = flag.Int("samples", 500, "how many people of each kind BenchmarkTelling asks about")
	some    = flag.Int("some", 100, "of how many of them it asks what takes long")
)

// timed are the kinds of people whom a stranger would tell apart by the clock. The
// first is who the others are compared with.
var timed = kinds[:0:0]

func init() {
	for _, k := range kinds {
		switch k.name {
		case "unknown", "known", "disabled", "not allowed, without an account", "not allowed, with an account":
			timed = append(timed, k)
		}
	}
}

// A trial is one person who is asked about once, by each question.
type trial struct {
	kind  int // in timed
	about person
}

// A question is a request that a stranger times, and asks about everybody in random
// order: then what slows the gateway down meanwhile slows all kinds down alike.
type question struct {
	name string
	long bool // it takes too long to be asked about more than some
	ask  func(h *house, p person) (time.Duration, error)
}

// questions are all of them. The first three are what every run of the tests asks.
var questions = []question{
	{"initialize", false, func(h *house, p person) (time.Duration, error) {
		took, _, err := h.initialize(p)
		return took, err
	}},
	{"finalize", false, func(h *house, p person) (time.Duration, error) {
		_, begun, err := h.initialize(p)
		if err != nil {
			return 0, err
		}
		took, _, err := h.clock(finalize, fmt.Sprintf(`{"id":%q,"code":%q}`, begun, wrong))
		return took, err
	}},
	// A letter that is on its way may slow down what is asked next.
	{"the request after initialize", false, func(h *house, p person) (time.Duration, error) {
		next, err := h.connect()
		if err != nil {
			return 0, err
		}
		defer next.Close()
		if _, _, err := h.initialize(p); err != nil {
			return 0, err
		}
		took, _, err := next.ask(h, "/doorward/webauthn/login/initialize", `{}`)
		return took, err
	}},
	// Or all that is asked for as long as letters wait: whoever floods the gateway sees
	// their sum.
	{"the half second after initialize", true, func(h *house, p person) (time.Duration, error) {
		next, err := h.connect()
		if err != nil {
			return 0, err
		}
		defer next.Close()
		if _, _, err := h.initialize(p); err != nil {
			return 0, err
		}
		var sum time.Duration
		n := 0
		for began := time.Now(); time.Since(began) < 550*time.Millisecond; n++ {
			took, _, err := next.ask(h, "/doorward/logout", `{}`)
			if err != nil {
				return 0, err
			}
			sum += took
		}
		return sum / time.Duration(n), nil
	}},
	{"users", false, func(h *house, p person) (time.Duration, error) {
		took, _, err := h.clock("/doorward/users", fmt.Sprintf(`{"email":%q}`, p.typed))
		return took, err
	}},
	{"initialize by ID", false, func(h *house, p person) (time.Duration, error) {
		took, _, err := h.clock(initialize, fmt.Sprintf(`{"user_id":%q}`, p.userID))
		return took, err
	}},
}

// A line is a connection of a client that nobody has heard of.
type line struct {
	net.Conn
	in *bufio.Reader
}

func (h *house) connect() (line, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: source()}, Timeout: 20 * time.Second}
	conn, err := dialer.Dial("tcp", h.gateway.Addr)
	if err != nil {
		return line{}, err
	}
	return line{conn, bufio.NewReader(conn)}, conn.SetDeadline(time.Now().Add(30 * time.Second))
}

// ask sends a request and returns how long its answer took, and its body.
func (l line) ask(h *house, path, body string) (time.Duration, []byte, error) {
	var request bytes.Buffer
	fmt.Fprintf(&request, "POST %s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, h.gateway.Port, len(body), body)
	began := time.Now()
	if _, err := l.Write(request.Bytes()); err != nil {
		return 0, nil, err
	}
	if _, err := l.in.Peek(1); err != nil {
		return 0, nil, err
	}
	took := time.Since(began)
	response, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if want := response.StatusCode == http.StatusOK || (path == finalize || path == "/doorward/logout") && response.StatusCode == http.StatusUnauthorized; err == nil && !want {
		err = fmt.Errorf("POST %s: status %d: %s", path, response.StatusCode, content)
	}
	return took, content, err
}

// clock asks over a connection of its own, which is there before the clock starts.
func (h *house) clock(path, body string) (time.Duration, []byte, error) {
	l, err := h.connect()
	if err != nil {
		return 0, nil, err
	}
	defer l.Close()
	return l.ask(h, path, body)
}

// initialize asks for a passcode, and returns the ceremony.
func (h *house) initialize(p person) (took time.Duration, id string, err error) {
	took, body, err := h.clock(initialize, fmt.Sprintf(`{"email":%q}`, p.typed))
	if err != nil {
		return 0, "", err
	}
	var begun struct{ ID string }
	err = json.Unmarshal(body, &begun)
	return took, begun.ID, err
}

// trials makes n people of each timed kind.
func trials(t testing.TB, d *directory.Directory, n int) []trial {
	var all []trial
	for kind := range timed {
		for range n {
			all = append(all, trial{kind: kind, about: timed[kind].new(t, d)})
		}
	}
	return all
}

// times asks a question about everybody, in random order, and returns how long the
// answers took, by kind.
func (h *house) times(t testing.TB, q question, all []trial) [][]time.Duration {
	t.Helper()
	took := make([][]time.Duration, len(timed))
	for _, i := range rand.Perm(len(all)) {
		if q.long && len(took[all[i].kind]) >= *some {
			continue
		}
		d, err := q.ask(h, all[i].about)
		if err != nil {
			t.Fatalf("%s, about somebody %s: %v", q.name, timed[all[i].kind].name, err)
		}
		took[all[i].kind] = append(took[all[i].kind], d)
	}
	return took
}

// BenchmarkTelling prints whether a stranger who asks about 500 people of each kind
// could tell by the clock which of them have accounts: the median and the 95th
// percentile, and how likely it is that the answer about one of them takes longer
// than that about somebody unknown, with its distance from 0.5 in deviations. Up to
// three deviations are chance.
//
//	go build -o /tmp/doorward ./cmd/doorward
//	DOORWARD_BINARY=/tmp/doorward go test ./integration/enumeration -run '^$' -bench Telling -benchtime 1x
func BenchmarkTelling(b *testing.B) {
	for _, q := range questions {
		b.Run(q.name, func(b *testing.B) {
			for range b.N {
				var all []trial
				h := openHouse(b, settings{mail: startPostbox(b)}, func(d *directory.Directory) { all = trials(b, d, *samples) })
				b.ResetTimer()
				took := h.times(b, q, all)
				for kind, k := range timed {
					share, deviation := Slower(took[kind], took[0])
					b.Logf("%-32s median %8v  p95 %8v  slower than unknown %.3f (%+.1f deviations)", k.name,
						Quantile(took[kind], 0.5).Round(time.Microsecond), Quantile(took[kind], 0.95).Round(time.Microsecond),
						share, (share-0.5)/deviation)
				}
			}
		})
	}
}

// The clock tells nobody who has an account (Authelia's 250 ms were for this).
//
// The order is random, so that each kind is as likely as the other to meet a busy
// moment, however busy the machine is. What is left to be told is that a row of the
// directory is read or none, some 25 µs in a few ms: with the race detector, which makes
// more of it, a share of 0.56. With 200 samples of each kind chance passes the bound from
// there less than once in 100,000 runs; letters that left at once came to 0.73, or, where
// the gateway has no race detector, to 0.87. The benchmark finds less than this test.
func TestTimesTellNobodyWhoHasAnAccount(t *testing.T) {
	const bound = 0.2 // from 0.5
	var all []trial
	h := openHouse(t, settings{mail: startPostbox(t)}, func(d *directory.Directory) { all = trials(t, d, 200) })
	for _, q := range questions[:3] {
		took := h.times(t, q, all)
		for kind, k := range timed {
			share, _ := Slower(took[kind], took[0])
			t.Logf("%s, %s: slower than unknown with probability %.3f", q.name, k.name, share)
			if math.Abs(share-0.5) > bound {
				t.Errorf("%s: the answer about somebody %s takes longer than about somebody unknown with probability %.3f, which chance does not explain",
					q.name, k.name, share)
			}
		}
	}
}
