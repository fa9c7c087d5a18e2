package caddymodule

import (
	"context"
	"net"
	"net/http"
	"slices"
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
		if namesEvents(accept) {
			return true
		}
	}
	return false
}

// namesEvents reports whether text/event-stream is in a list of media types, in
// any case (RFC 9110, section 8.3.1). It is asked of every request that passes:
// it makes no copy, and goes from hyphen to hyphen, of which what browsers accept
// has none or one.
func namesEvents(accept string) bool {
	const head, tail = "text/event", "stream"
	for {
		before, after, found := strings.Cut(accept, "-")
		if !found {
			return false
		}
		if len(before) >= len(head) && len(after) >= len(tail) &&
			strings.EqualFold(before[len(before)-len(head):], head) && strings.EqualFold(after[:len(tail)], tail) {
			return true
		}
		accept = after
	}
}

// judgeStreams has the doors of this configuration say who may have streams open,
// until it is cleaned up. A stream that was opened under another configuration
// ends when that one is gone, if its visitor is refused by this one.
func (a *App) judgeStreams() {
	release := a.streams.Judge(a.admits)
	a.undo = append(a.undo, func() error { release(); return nil })
}

// admits reports whether a door of the site whose origin is origin admits v. The
// doors of a site are asked together, and not the one that a stream came in by,
// which may be no more: what a door asks of a part of the site alone, a stream
// that is open to another part of it does not show. An API host has no streams, and
// its rules are none of an app's.
func (a *App) admits(v *session.Visitor, origin string) bool {
	_, host, _ := strings.Cut(origin, "://")
	asked := &http.Request{Host: host}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.doors, func(d *Handler) bool {
		site, ok := d.site.find(asked)
		return ok && !d.API && site.Origin == origin && d.policy.Admits(v.Identity)
	})
}

// serveStream passes a request on that stays open, and ends it when the visitor's
// session ends, or they are no longer who the app was told.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request, g guest, next caddyhttp.Handler) error {
	ctx, stop := h.sessions.Stream(r.Context(), g.Visitor, g.origin)
	defer stop()
	defer cutOff(ctx, w, r)()
	err := next.ServeHTTP(w, r.WithContext(ctx))
	if ctx.Err() != nil && r.Context().Err() == nil {
		h.app.logger.Info("stream ended", "user", g.Subject, "path", r.URL.Path, "reason", context.Cause(ctx).Error())
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
