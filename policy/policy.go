// Package policy decides who may pass a site's door, who may make an account
// there, and what is left open.
//
// It judges; it does not find out. Who a visitor is, and that they have proved
// it, is the session's to say, and what a request asks for is the caller's.
package policy

import (
	"slices"

	"github.com/doorward/doorward/session"
)

// A Policy is what one site's door asks for. The zero Policy admits the users
// whom an operator added and nobody else, lets nobody sign up, and leaves
// nothing open.
type Policy struct {
	Allow  Allow
	Bypass Bypass
	Closed bool // nobody may make an account, whatever Allow says
}

// Admits reports whether the visitor may pass.
func (p *Policy) Admits(v session.Identity) bool {
	if v.Disabled {
		return false
	}
	if p.Allow.empty() {
		return v.Added
	}
	return p.Allow.admits(v)
}

// SignsUp reports whether somebody who proves that they own an address may make
// an account. Only rules that name addresses open sign-up: to be in a group, one
// must have an account already.
func (p *Policy) SignsUp(address, domain string) bool {
	return !p.Closed && p.Allow.address(address, domain)
}

// A Union admits whoever one of its policies admits: the doors of one site sign
// people in for each other.
type Union []*Policy

// Admits reports whether one of the policies admits the visitor.
func (u Union) Admits(v session.Identity) bool {
	return slices.ContainsFunc(u, func(p *Policy) bool { return p.Admits(v) })
}

// SignsUp reports whether one of the policies lets the address sign up.
func (u Union) SignsUp(address, domain string) bool {
	return slices.ContainsFunc(u, func(p *Policy) bool { return p.SignsUp(address, domain) })
}
