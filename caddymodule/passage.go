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

	guest guest // whom an earlier door let in
}

// A guest is a visitor at a site: that of the request, which need not be the one that
// their session began at. There is none in the zero guest.
type guest struct {
	*session.Visitor
	origin string
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
func (p *passage) known() guest {
	if p == nil {
		return guest{}
	}
	return p.guest
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

// sent returns r as the client sent it, for whoever refuses it: a cookie that is no
// good is taken back from the browser at the last door, too.
func (p *passage) sent(r *http.Request) *http.Request {
	if p == nil {
		return r
	}
	as := *r
	as.Header = r.Header.Clone()
	for name, values := range map[string][]string{"Cookie": p.cookie, "Authorization": p.authorization} {
		if len(values) > 0 {
			as.Header[name] = values
		}
	}
	return &as
}

// note lets later doors know the visitor.
func (p *passage) note(g guest) {
	if p != nil {
		p.guest = g
	}
}
