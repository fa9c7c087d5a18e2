package flood

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// send sends requests from, from+1, ... below to, by as many connections at once as
// the flag says, and closes them. An answer with none of the statuses that are
// right fails the test. It returns how many answers had each.
func (n *node) send(from, to int, make func(i int) *http.Request, right ...int) map[int]int {
	n.t.Helper()
	transport := &http.Transport{
		MaxIdleConnsPerHost: *connections, MaxIdleConns: *connections,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, n.Addr)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var (
		next     atomic.Int64
		sending  sync.WaitGroup
		mu       sync.Mutex // held while what follows is written
		statuses = map[int]int{}
		wrong    error
	)
	one := func(i int) {
		response, err := client.Do(make(i))
		var body []byte
		if err == nil {
			body, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			wrong = fmt.Errorf("request %d: %w", i, err)
		case !slices.Contains(right, response.StatusCode):
			wrong = fmt.Errorf("request %d: status %d, want one of %v: %.300s", i, response.StatusCode, right, body)
		default:
			statuses[response.StatusCode]++
		}
	}
	next.Store(int64(from))
	for range *connections {
		sending.Go(func() {
			for i := next.Add(1) - 1; i < int64(to); i = next.Add(1) - 1 {
				one(int(i))
			}
		})
	}
	sending.Wait()
	if wrong != nil {
		n.t.Fatal(wrong)
	}
	return statuses
}

// flood sends count requests, in parts, and looks at the node before each and after
// the last. What it sends first is not looked at: it makes connections, fills pools,
// and grows what has to grow once, such as the log of an embedded store.
func (n *node) flood(count int, make func(i int) *http.Request, right ...int) []look {
	n.t.Helper()
	first := max(count/4, 500)
	n.send(0, first, make, right...)
	looks := []look{n.settled(first)}
	for part := range parts {
		from, to := first+count*part/parts, first+count*(part+1)/parts
		n.send(from, to, make, right...)
		looks = append(looks, n.settled(to))
	}
	show(n.t, looks)
	return looks
}

// settled is look when the connections that a flood came by are gone.
func (n *node) settled(sent int) look {
	n.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		l := n.look(sent)
		if l.vitals.Goroutines < *connections/2+64 || time.Now().After(deadline) {
			return l
		}
	}
}

// get returns a request for a page, as a program makes it.
func (n *node) get(path string, header ...string) *http.Request {
	return n.request("GET", path, "", header...)
}

// post returns a request with a JSON body.
func (n *node) post(path, body string, header ...string) *http.Request {
	return n.request("POST", path, body, append(header, "Content-Type", "application/json")...)
}

func (n *node) request(method, path, body string, header ...string) *http.Request {
	r, err := http.NewRequest(method, n.URL+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the path is a test's own
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// network returns the address of a client in an IPv6 network of its own. There are
// 65,536 of them in what one customer of a provider is given, and no end of them for
// whoever is a provider.
func network(i int) string {
	return fmt.Sprintf("2001:db8:%x:%x::1", i>>16&0xffff, i&0xffff)
}
