// Package clients drives programs that were written for the Hanko backend,
// unchanged and in a real browser, against a real gateway:
//
//   - @teamhanko/hanko-frontend-sdk 0.12.0, the last release of the SDK that
//     speaks the passcode and WebAuthn endpoints;
//   - @teamhanko/hanko-elements 0.12.0, the <hanko-auth> and <hanko-profile> that
//     are made with it, driven by clicks and keys inside their shadow trees;
//   - @teamhanko/hanko-webauthn 2.0.0, which makes no requests itself: pages call
//     the WebAuthn endpoints, also by their older names, around its create and get.
//
// The releases are pinned in integration/npm, and a test holds this list against
// what is installed there. The pages that use them are in the folder pages.
//
// A [Scene] is a gateway in one of the [Layouts]: the API at the pages' own
// origin or at a host of its own, the session in a cookie of the server's or in
// X-Auth-Token. What the gateway answers passes a witness that holds it against
// docs/openapi.yaml, and what a page complains about in its console fails its
// test: none of the three writes errors or warnings there by design.
package clients

// A Layout is a way to put an app's pages and the API together.
type Layout struct {
	Name string

	// Apart has the API at a host of its own, whose origin is not the pages'. The
	// pages' origin is then one that CORS allows, and a site for which the
	// sessions of the API's host are good.
	Apart bool

	// Header delivers the session token in X-Auth-Token, which the clients keep
	// themselves, and not in a cookie of the server's.
	Header bool
}

// Layouts are all there are.
var Layouts = []Layout{
	{Name: "same origin, cookie"},
	{Name: "same origin, header", Header: true},
	{Name: "other origin, cookie", Apart: true},
	{Name: "other origin, header", Apart: true, Header: true},
}
