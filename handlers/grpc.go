package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/doorward/doorward/session"
)

// Statuses of gRPC calls (google.golang.org/grpc/codes has the whole list).
const (
	grpcUnknown         = 2
	grpcDenied          = 7
	grpcUnimplemented   = 12
	grpcInternal        = 13
	grpcUnavailable     = 14
	grpcUnauthenticated = 16
)

// callKind returns the media type that answers a gRPC call, or "" for a request
// that is none. gRPC-Web comes by any version of HTTP, gRPC itself by none below
// HTTP/2. What a client may do never depends on it.
func callKind(r *http.Request) string {
	if r.Method != http.MethodPost {
		return ""
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch kind, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(kind)), "+"); {
	case kind == "application/grpc-web", kind == "application/grpc-web-text":
		return kind
	case kind == "application/grpc" && r.ProtoMajor >= 2:
		return kind
	}
	return ""
}

// refuseCall answers a gRPC call that is not let through: with the trailers alone,
// which then are headers of an answer of 200 (gRPC over HTTP2, "Responses"). A
// client of gRPC reads the reason nowhere else.
func (h *Handlers) refuseCall(w http.ResponseWriter, r *http.Request, kind string, err error) {
	h.protect(w)
	p := h.describe(r, err)
	h.log(r, p, err)
	if _, fromCookie := h.o.Cookie.Tokens(r.Header); fromCookie != "" && session.Refused(err) {
		h.forget(w)
	}
	setRetryAfter(w, p)
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Length", "0")
	header.Set("Grpc-Status", strconv.Itoa(callStatus(p.Status)))
	header.Set("Grpc-Message", percentEncoded(p.Message))
	w.WriteHeader(http.StatusOK)
}

// callStatus returns the gRPC status that stands for a status of HTTP (gRPC, "HTTP
// to gRPC Status Code Mapping").
func callStatus(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return grpcUnauthenticated
	case http.StatusForbidden:
		return grpcDenied
	case http.StatusNotFound:
		return grpcUnimplemented
	case http.StatusInternalServerError:
		return grpcInternal
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return grpcUnavailable
	}
	return grpcUnknown
}

// percentEncoded writes a message as grpc-message has it: all but printable ASCII,
// and the percent sign itself, as bytes in hexadecimal.
func percentEncoded(message string) string {
	var b strings.Builder
	for _, c := range []byte(message) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
