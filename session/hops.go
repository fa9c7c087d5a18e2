package session

import (
	"net/http"
	"slices"
)

// hops are headers by which a proxy in front tells what it was asked, by whom, and
// whose certificate it saw. Beside these there is everything that begins like one
// of hopPrefixes.
var hops = []string{
	"forwarded", "x-forwarded", // RFC 7239, and before
	"client-cert", "client-cert-chain", "x-client-cert", "ssl-client-cert", // RFC 9440, and before
	"x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "fastly-client-ip",
	"x-host", "x-http-host-override", "x-url-scheme", "front-end-https",
}

var hopPrefixes = []string{"x-forwarded-", "x-original-", "x-ssl-", "ssl-client-", "x-client-cert-"}

// StripHops removes from a client's headers those that only a proxy has a right to
// set, in any spelling: apps take them for the path that was asked for, for the
// host that they build links with, for the client's address or for its
// certificate. A proxy that Caddy trusts may set them. It leaves alone the three
// that reverse_proxy sets itself, by rules of its own.
func StripHops(h http.Header) {
	for name := range h {
		if isHop(name) {
			delete(h, name)
		}
	}
}

// hopStarts are the signs, in every spelling, with which the first and the second
// character of these names is written: few other headers get past them, and every
// header of every request is asked about.
var hopStarts = func() (starts [2][256]bool) {
	for _, name := range slices.Concat(hops, hopPrefixes) {
		for at := range starts {
			for c := range starts[at] {
				starts[at][c] = starts[at][c] || foldByte(byte(c)) == name[at]
			}
		}
	}
	return starts
}()

func isHop(name string) bool {
	if len(name) < 2 || !hopStarts[0][name[0]] || !hopStarts[1][name[1]] {
		return false
	}
	switch name {
	case "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return false
	case "":
		return false
	}
	switch foldByte(name[0]) { // most names that clients send begin with another letter
	case 'c', 'f', 's', 't', 'x':
	default:
		return false
	}
	for _, hop := range hops {
		if foldsTo(name, hop) {
			return true
		}
	}
	for _, prefix := range hopPrefixes {
		if len(name) > len(prefix) && foldsTo(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}
