// Command upstream is the app behind the gateways that are measured: it answers
// every request with 200 and a few bytes, and counts them. Each set-up has an address
// of its own, so that a request which outlives its client is not taken for one of
// the next set-up.
//
// Its argument is how many addresses there are. It prints them, and one more, which
// tells what was counted. It ends when its standard input does, which is when
// whoever started it has ended.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
)

var body = []byte(`{"items":[{"id":1,"title":"Minutes of the meeting"},{"id":2,"title":"Plans"}],"next":null}` + "\n")

// A site is what one set-up asks.
type site struct {
	mu sync.Mutex
	counts
}

// counts are requests, and how many of them came with an assertion.
type counts struct{ Requests, Asserted int64 }

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: upstream number-of-addresses")
	}
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	sites := make([]site, n)
	for i := range sites {
		serve(&sites[i])
	}
	serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tell(w, sites) }))
	fmt.Println()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// serve serves h at a free address, which it prints.
func serve(h http.Handler) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(listener.Addr(), " ")
	go func() { log.Fatal(http.Serve(listener, h)) }()
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.Requests++
	if r.Header.Get("X-Auth-Token") != "" {
		s.Asserted++
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // an error means that whoever asked has gone
}

// tell answers with the counts of each site, in the order of their addresses.
func tell(w http.ResponseWriter, sites []site) {
	all := make([]counts, len(sites))
	for i := range sites {
		sites[i].mu.Lock()
		all[i] = sites[i].counts
		sites[i].mu.Unlock()
	}
	if err := json.NewEncoder(w).Encode(all); err != nil {
		log.Print(err)
	}
}
