package bench

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// requestPath is what is asked for.
const requestPath = "/api/items?page=2"

// headers returns the headers of a request, one a line, as a browser sends them when
// a script of a page asks for something, and a session token in the site's cookie.
// Such a request is refused with an error and not with a redirect, so that the client
// counts every refusal. They are the same for all set-ups, but that basic_auth is sent
// the password which it asks for.
func (r *rig) headers(l *load, setUp, token string) string {
	cookie := "doorward"
	if l.protocol != http1 {
		cookie = "__Host-doorward"
	}
	list := []string{
		// The host is as long for all set-ups: ports of five digits.
		"Host: " + strings.TrimPrefix(strings.TrimPrefix(r.origin(l, setUp), "http://"), "https://"),
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Accept: application/json, text/plain, */*",
		"Accept-Language: en-GB,en;q=0.7,de;q=0.3",
		"Accept-Encoding: gzip, deflate, br, zstd",
		"Referer: " + r.origin(l, setUp) + "/inbox",
		"Sec-Fetch-Dest: empty",
		"Sec-Fetch-Mode: cors",
		"Sec-Fetch-Site: same-origin",
		"Priority: u=4",
		fmt.Sprintf("Cookie: %s; %s=%s", appCookie, cookie, token),
	}
	if setUp == basicAuth {
		list = append(list, r.authHeader)
	}
	return strings.Join(list, "\n") + "\n"
}

func basicCredentials(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// origin returns where a set-up is under a load.
func (r *rig) origin(l *load, setUp string) string {
	if l.protocol != http1 {
		return origin("https", r.tlsPorts[setUp])
	}
	return origin("http", r.ports[setUp])
}
