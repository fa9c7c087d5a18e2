package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/session"
)

// A passage is the way of one request through several doors of its site. Each
// takes our credentials out of the request, as it cannot know of the next; so
// the first keeps them here. It is nil on a site with one door.
type passage struct {
	cookie, authorization []string

	visitor *session.Visitor // whom an earlier door let in
}

const passageVar = "doorward.passage"

// passage returns the passage of a request that reaches h, and begins it if h is
// the first door on its way.
func (h *Handler) passage(r *http.Request) *passage {
	if !h.shares {
		return nil
	}
	p, ok := caddyhttp.GetVar(r.Context(), passageVar).(*passage)
	if !ok {
		p = &passage{cookie: r.Header["Cookie"], authorization: r.Header["Authorization"]}
		caddyhttp.SetVar(r.Context(), passageVar, p)
	}
	return p
}

// known returns whom an earlier door let in, if any did.
func (p *passage) known() *session.Visitor {
	if p == nil {
		return nil
	}
	return p.visitor
}

// presented returns r with the credentials that the client sent.
func (p *passage) presented(r *http.Request) *http.Request {
	if p == nil {
		return r
	}
	as := *r
	as.Header = http.Header{"Cookie": p.cookie, "Authorization": p.authorization}
	return &as
}

// note lets later doors know the visitor.
func (p *passage) note(v *session.Visitor) {
	if p != nil {
		p.visitor = v
	}
}
