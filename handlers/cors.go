package handlers

import (
	"net/http"
	"slices"
)

// exposedHeaders are what scripts of other origins may read of an answer, beside
// what they always may. Clients of the Hanko API do not work without them.
const exposedHeaders = "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, " +
	"X-Session-Lifetime, X-Auth-Token, X-Request-Id"

// elsewhere returns the origin of the web client that makes a request, if it is
// one of the allowed ones. Origins are compared as they are: browsers write them
// in one way (RFC 6454, section 6.2).
func (h *Handlers) elsewhere(r *http.Request) (origin string, ok bool) {
	origins := r.Header["Origin"]
	if len(origins) != 1 || !slices.Contains(h.o.API.Origins, origins[0]) {
		return "", false
	}
	return origins[0], true
}

// share lets the script of an allowed origin that makes a request read the answer
// (CORS protocol, Fetch standard, section 3.3). Others get no such header, and
// protect has told caches that answers differ.
func (h *Handlers) share(w http.ResponseWriter, r *http.Request) bool {
	origin, ok := h.elsewhere(r)
	if ok {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true")
		header.Set("Access-Control-Expose-Headers", exposedHeaders)
	}
	return ok
}

// preflight answers a browser that asks whether a script of another origin may
// send the request that it wants to send, and reports whether this is what it
// asks. It is so for everything but pages: also where we have nothing, for the
// script to learn that from the answer to its request.
func (h *Handlers) preflight(w http.ResponseWriter, r *http.Request) bool {
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" || r.Header.Get("Origin") == "" {
		return false
	}
	if _, pattern := h.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); h.pages[pattern] {
		return false
	}
	if h.share(w, r) {
		header := w.Header()
		header.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT, PATCH, POST, DELETE")
		header.Set("Access-Control-Max-Age", "7200")
		for _, wanted := range r.Header["Access-Control-Request-Headers"] {
			header.Add("Access-Control-Allow-Headers", wanted)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
