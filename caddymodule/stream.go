package caddymodule

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/session"
)

// connectionKey is where the context of a request has the connection that it came
// by.
type connectionKey struct{}

// noteConnections has the requests to a server tell their connection.
func noteConnections(server *caddyhttp.Server) {
	server.RegisterConnContext(func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, c)
	})
}

// wantsEvents reports whether a request asks for an event stream, which may go on
// for hours as a WebSocket may.
func wantsEvents(r *http.Request) bool {
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/event-stream") {
			return true
		}
	}
	return false
}

// serveStream passes a request on that stays open, and ends it when the visitor's
// session ends, or they are no longer who the app was told.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request, v *session.Visitor, next caddyhttp.Handler) error {
	ctx, stop := h.sessions.Stream(r.Context(), v)
	defer stop()
	defer cutOff(ctx, w, r)()
	err := next.ServeHTTP(w, r.WithContext(ctx))
	if ctx.Err() != nil && r.Context().Err() == nil {
		h.app.logger.Info("stream ended", "user", v.Subject, "path", r.URL.Path, "reason", context.Cause(ctx).Error())
	}
	return err
}

// cutOffAfter is how long a handler may take to end a stream by itself.
// reverse_proxy does so at once.
const cutOffAfter = 250 * time.Millisecond

// cutOff takes the client's connection from a handler that goes on after ctx has
// ended: it may not look at it (a transport of FastCGI waits for what PHP says
// next), or wait for a client that does not read. It returns what has to be called
// before w is no longer the handler's.
func cutOff(ctx context.Context, w http.ResponseWriter, r *http.Request) (release func()) {
	over, cut := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		wait := time.NewTimer(cutOffAfter)
		defer wait.Stop()
		select {
		case <-over:
		case <-wait.C:
			disconnect(w, r)
		}
	})
	return func() {
		close(over)
		if !stop() {
			<-cut
		}
	}
}

// disconnect ends a request on the client's side: with its connection, if that is
// for this request alone, or by resetting its stream (RFC 9113, section 5.4.2).
// The server does that if its own writer is given a deadline that has passed;
// the writers around it are the handler's, and not ours to call from here.
func disconnect(w http.ResponseWriter, r *http.Request) {
	if conn, ok := r.Context().Value(connectionKey{}).(net.Conn); ok && r.ProtoMajor == 1 {
		_ = conn.Close()
		return
	}
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
}
