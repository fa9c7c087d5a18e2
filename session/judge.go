package session

import "slices"

// A judge says who may have a stream open, and where.
type judge struct {
	admits func(v *Visitor, site string) bool
}

// Judge has admits say who may have streams open at the site whose origin is site,
// until release is called. It is asked when a stream is opened and whenever its
// session is looked at, and what is open already is judged at once. Streams that
// were opened under rules that are no more do not outlive them.
//
// Where several judge, which is so while one configuration takes over from
// another, it is enough that one admits a visitor: the old one may yet have to go
// on. When one is released, the others judge all that is open. Without any,
// everybody may have streams.
//
// admits is asked about a visitor and a site, and not which way the request came
// in: a visitor whom one rule of the site admits keeps streams that another let
// in. The streams of one session at several sites are judged each by itself.
// admits must be quick, safe for concurrent use, and not call t.
func (t *Streams) Judge(admits func(v *Visitor, site string) bool) (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := &judge{admits}
	t.judges = append(t.judges, j)
	t.judge()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.judges = slices.DeleteFunc(t.judges, func(other *judge) bool { return other == j })
		t.judge()
	}
}

// judge ends the streams of those whom no judge admits. t.mu must be held.
func (t *Streams) judge() {
	for _, o := range t.sessions {
		for x := range o.streams {
			if !t.admits(x) {
				x.end(errNotAdmitted)
				delete(o.streams, x)
			}
		}
		t.release(o)
	}
}

// admits reports whether a stream may be open. t.mu must be held.
func (t *Streams) admits(x *openStream) bool {
	return len(t.judges) == 0 || slices.ContainsFunc(t.judges, func(j *judge) bool { return j.admits(x.visitor, x.site) })
}
