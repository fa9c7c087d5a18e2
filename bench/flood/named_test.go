package flood

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
)

// What strangers make up is remembered nowhere: not in the heap, not in the store,
// and not as a label of a metric.
func TestMadeUpNamesLeaveNothing(t *testing.T) {
	shared := newNode(t, nil, "")
	for name, flood := range map[string]struct {
		request func(n *node, i int) *http.Request
		status  int
	}{
		"hosts": {func(n *node, i int) *http.Request {
			r := n.get("/")
			r.Host = fmt.Sprintf("h%d.example.net", i)
			return r
		}, http.StatusOK}, // Caddy's own, for a host that no site has
		"ports": {func(n *node, i int) *http.Request {
			r := n.get("/")
			r.Host = fmt.Sprintf("localhost:%d", 1+i%60_000)
			return r
		}, 0},
		"paths": {func(n *node, i int) *http.Request {
			return n.get(fmt.Sprintf("/p%d", i))
		}, http.StatusUnauthorized},
		"own paths": {func(n *node, i int) *http.Request {
			return n.get(fmt.Sprintf("/doorward/p%d", i))
		}, http.StatusNotFound},
		"methods": {func(n *node, i int) *http.Request {
			return n.request(fmt.Sprintf("M%d", i), "/", "")
		}, http.StatusUnauthorized},
		"agents": {func(n *node, i int) *http.Request {
			return n.get("/", "User-Agent", fmt.Sprintf("Mozilla/5.0 (a%d)", i))
		}, http.StatusUnauthorized},
		"languages": {func(n *node, i int) *http.Request {
			return n.get("/doorward/login", "Accept", "text/html", "Accept-Language", fmt.Sprintf("x-a%d", i))
		}, http.StatusOK},
		"known browsers": {func(n *node, _ int) *http.Request {
			mark := make([]byte, 72)
			rand.Read(mark)
			return n.get("/doorward/login", "Accept", "text/html",
				"Cookie", "doorward-known="+base64.RawURLEncoding.EncodeToString(mark))
		}, http.StatusOK},
		"addresses": {func(n *node, i int) *http.Request {
			return n.get("/", "X-Forwarded-For", network(i))
		}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			n := &node{shared.Gateway, t, nil}
			right := []int{flood.status}
			if flood.status == 0 {
				right = []int{http.StatusUnauthorized, http.StatusMisdirectedRequest}
			}
			n.send(0, 100, func(i int) *http.Request { return flood.request(n, i) }, right...)
			before := n.series()
			looks := n.flood(*requests, func(i int) *http.Request { return flood.request(n, i) }, right...)
			holdsNoMore(t, looks)
			keepsNothing(t, looks)
			const own = 4 // of what this test asks the admin endpoint
			if after := n.series(); after > before+own {
				t.Errorf("after %d requests there are %d time series, want %d at most", looks[parts].sent, after, before+own)
			}
		})
	}
}
