package session

import "net/http"

// hops are headers by which a proxy in front tells what it was asked, by whom, and
// whose certificate it saw. Beside these there is everything that begins like one
// of hopPrefixes.
var hops = []string{
	"forwarded", "x-forwarded", // RFC 7239, and before
	"client-cert", "client-cert-chain", "x-client-cert", "ssl-client-cert", "x-tls-client-cert", // RFC 9440, and before
	"client-ip", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-proxyuser-ip", "x-originating-ip", "x-remote-ip", "x-remote-addr",
	"proxy-client-ip", "wl-proxy-client-ip", "true-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "fastly-client-ip", "fly-client-ip",
	"do-connecting-ip", "x-host", "x-http-host-override", "x-scheme", "x-url-scheme", "x-script-name", "front-end-https",
}

var hopPrefixes = []string{
	"x-forwarded-", "x-original-", "x-ssl-", "ssl-client-", "x-client-cert-", "x-amzn-mtls-", "x-arr-", "x-azure-", "x-envoy-",
}

// mayHop reports whether a request may have a header that only proxies may set: apps
// take them for the path that was asked for, for the host that they build links with,
// for the client's address or for its certificate. A proxy that is trusted may set
// them, in the one spelling that proxies use: it passes on what it does not know, and
// some apps read X_Real_IP for X-Real-IP. The three are left alone that reverse_proxy
// sets itself, by rules of its own.
func (ih *IdentityHeaders) mayHop(r *http.Request, name string) bool {
	switch name {
	case "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return true
	}
	return plainName(name) && ih.FromProxy != nil && ih.FromProxy(r)
}

// plainName reports whether a header's name has letters, digits and hyphens alone.
func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; foldByte(c) == '-' && c != '-' {
			return false
		}
	}
	return true
}

// isHop reports whether a header is one that only proxies may set, in any spelling.
func isHop(name string) bool {
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
