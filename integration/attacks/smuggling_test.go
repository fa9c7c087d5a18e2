package attacks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// framings are requests whose end two readers could see in different places. What
// follows is a request that no door shall have let through; refused says that the
// first one cannot be understood at all.
func framings() []framing {
	n := len(smuggled)
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, smuggled)
	var all []framing
	add := func(refused bool, head, body string) { all = append(all, framing{head, body, refused}) }

	// Content-Length against Transfer-Encoding.
	add(false, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled)
	add(false, "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"+smuggled)
	add(false, fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n", n+5), "0\r\n\r\n"+smuggled)
	add(false, "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", chunk)

	// Transfer-Encoding that one reader knows and the other does not.
	for _, encoding := range []string{
		"xchunked", "chunked, identity", "identity, chunked", "chunked, chunked", "chunke", "x, chunked", "gzip, chunked", "gzip", "identity", "chunked;q=1",
		"\"chunked\"", "'chunked'", "chunked\x0b", "chunked\x00", "\x0bchunked", "chun ked", "chunked,", ",chunked", "chunked\xff", "",
	} {
		refused := !strings.EqualFold(strings.Trim(encoding, " \t"), "chunked")
		add(refused, "Transfer-Encoding: "+encoding+"\r\nContent-Length: 5\r\n", "0\r\n\r\n"+smuggled)
	}
	for _, line := range []string{
		"Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", "Transfer_Encoding: chunked", "Transfer-Encoding:\x0bchunked", " Transfer-Encoding: chunked",
		"X: x\nTransfer-Encoding: chunked", "X: x\rTransfer-Encoding: chunked", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked", "TrAnSfEr-EnCoDiNg: ChUnKeD", "transfer-encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-encoding: cow",
	} {
		add(false, line+"\r\nContent-Length: 5\r\n", "0\r\n\r\n"+smuggled)
	}

	// Lengths that are none, or two.
	for _, length := range []string{
		"5, 5", "5, 6", "+5", "-5", "0x5", "5 ", "05", "5.0", "5e0", "1_0", "", " ", "99999999999999999999", "-1", "5\x00", "5\x0b", "\"5\"", "٥",
	} {
		add(false, "Content-Length: "+length+"\r\n", "0\r\n\r\n"+smuggled)
	}
	add(true, "Content-Length: 0\r\nContent-Length: 5\r\n", "0\r\n\r\n"+smuggled)
	add(true, "Content-Length: 5\r\nContent-Length: 0\r\n", "0\r\n\r\n"+smuggled)
	add(true, "Content-Length : 0\r\nContent-Length: 5\r\n", "0\r\n\r\n"+smuggled)
	add(false, "Content_Length: 5\r\n", "0\r\n\r\n"+smuggled)
	add(false, "Content-Length: 0\r\n", smuggled)
	add(false, "Content-Length: 0\r\nExpect: 100-continue\r\n", smuggled)
	add(false, "Expect: 100-continue\r\nContent-Length: 5\r\n", "0\r\n\r\n"+smuggled)

	// Chunks.
	const chunked = "Transfer-Encoding: chunked\r\n"
	for _, body := range []string{
		"0\n\n" + smuggled, "0\r\n\n" + smuggled, "0\n\r\n" + smuggled, "0\r\r" + smuggled, "0;ext\r\n\r\n" + smuggled, "0;\r\n\r\n" + smuggled, "0;a=\"\r\n\r\n\"" + smuggled,
		"0;ext\n\r\n" + smuggled, "5\nhello\r\n0\r\n\r\n" + smuggled, "5;\nhello\r\n0\r\n\r\n" + smuggled, "5\r\nhello0\r\n\r\n" + smuggled, "5\r\nhelloXX0\r\n\r\n" + smuggled,
		"5\r\nhello\n0\r\n\r\n" + smuggled, "0x5\r\nhello\r\n0\r\n\r\n" + smuggled, "+5\r\nhello\r\n0\r\n\r\n" + smuggled, "-1\r\n" + smuggled, "5 \r\nhello\r\n0\r\n\r\n" + smuggled,
		" 5\r\nhello\r\n0\r\n\r\n" + smuggled, "00000000000000000005\r\nhello\r\n0\r\n\r\n" + smuggled, "10000000000000005\r\nhello\r\n0\r\n\r\n" + smuggled, "5\x00\r\nhello\r\n0\r\n\r\n" + smuggled,
		"0\r\nRemote-User: evil\r\n\r\n" + smuggled, "0\r\nContent-Length: 5\r\n\r\n" + smuggled, "0\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, "0\r\n X: y\r\n\r\n" + smuggled,
		"5;" + strings.Repeat("a", 20000) + "\r\nhello\r\n0\r\n\r\n" + smuggled, "g\r\n" + smuggled, "\r\n" + smuggled, smuggled,
	} {
		add(false, chunked, body)
	}
	return all
}

type framing struct {
	head, body string
	refused    bool
}

// A request's end is seen in two places, and what is between is a request of its own.
// POST /healthz with CL.TE, TE.CL, two lengths, odd chunks; then GET /admin, forged.
func TestT134Smuggling(t *testing.T) {
	s := quiet().Begin(t)
	s.Fails = true // the server answers 501 to codings it does not know, and reverse_proxy 502 to a body that breaks off
	w := &whole{s: s, paths: []string{"/healthz", "/"}}
	bob := s.SignedIn("bob")
	host := fmt.Sprintf("Host: %s:%d\r\n", A, s.Gateway.Port)
	for _, f := range framings() {
		for path, credential := range map[string]string{"/healthz": "", "/": bob.Cookie + "\r\n"} {
			inner := strings.Replace(f.body, "Host: app\r\n", host, 1)
			answers := s.Stream(A, "POST "+path+" HTTP/1.1\r\n"+host+credential+f.head+"\r\n"+inner)
			w.hold(fmt.Sprintf("%s %q %.60q", path, f.head, f.body))
			for i, a := range answers {
				switch {
				case a.Status == http.StatusOK && i == 0 && !f.refused:
				case strings.Contains(f.head, "Expect: ") && (a.Status == http.StatusContinue || a.Status == http.StatusOK && i == 1):
				case a.Status/100 == 4, a.Status == http.StatusNotImplemented, a.Status == http.StatusBadGateway && !f.refused:
				default:
					t.Errorf("%s %q %.60q: answer %d is %v", path, f.head, f.body, i, a)
				}
			}
		}
	}
}

// whole checks that what reaches the app are whole requests, each with one end that
// everybody sees, and no more of them than were sent. An app may hear of one whose
// body breaks off after its sender has been answered.
type whole struct {
	s         *Scene
	paths     []string // none for any
	sent, got int
}

// hold looks at what has reached the app since one more request was sent.
func (w *whole) hold(what string) {
	w.s.T.Helper()
	w.sent++
	seen := w.s.Seen()
	if w.got += len(seen); w.got > w.sent {
		w.s.T.Errorf("%s: %d requests reached the app of %d that were sent", what, w.got, w.sent)
	}
	for _, b := range seen {
		if !slices.Contains(w.paths, b.Target) && len(w.paths) > 0 || strings.Contains(b.Target, "smuggled") || len(b.Extra) > 0 {
			w.s.T.Errorf("%s: %q reached the app, and after it %q", what, b.Target, b.Extra)
		}
		lengths, encodings := b.Values("Content-Length"), b.Values("Transfer-Encoding")
		if len(lengths)+len(encodings) > 1 || len(encodings) == 1 && encodings[0] != "chunked" {
			w.s.T.Errorf("%s: the app was told the lengths %q and encodings %q", what, lengths, encodings)
		}
		if strings.Contains(b.Head+b.Trailer, "evil") || strings.ContainsAny(strings.ReplaceAll(b.Head, "\r\n", ""), "\r\n\x00") {
			w.s.T.Errorf("%s: the app read %q", what, b.Head)
		}
	}
}

// What is one field in HTTP/2 is two in HTTP/1, and what is a length there is none here.
// Fields with CR and LF in them, Transfer-Encoding, lengths that are not the body's.
func TestT134SmugglingByHTTP2(t *testing.T) {
	s := quiet().Begin(t)
	bob := s.SignedIn("bob")
	s.Fails = true // reverse_proxy answers 502 to a body that is not as long as was said
	w := &whole{s: s, paths: []string{"/healthz", "/"}}
	session := strings.TrimPrefix(bob.Cookie, "Cookie: ")
	for _, path := range []string{"/healthz", "/"} {
		for _, line := range []string{
			"content-length: 0", "content-length: 4", "content-length: 999", "content-length: 5, 5", "content-length: +5", "content-length: -1", "transfer-encoding: chunked", "transfer-encoding: chunked, identity",
			"transfer_encoding: chunked", "x: y\r\nremote-user: evil", "x: y\nremote-user: evil", "x: y\rremote-user: evil", "x: y\x00evil", "x: y\r\n\r\nGET /admin/smuggled HTTP/1.1\r\n",
			"x\r\nremote-user: evil", "remote-user:x: evil", "x y: evil", "remote-user : evil", ": evil", "host: evil", "connection: x-auth-token", "connection: close, remote-user", "upgrade: h2c", "keep-alive: evil",
			"proxy-connection: keep-alive", "te: trailers, chunked", "x-auth-token\x00: evil", "\xff: evil", "Remote-User: evil", "remote-user\t: evil", "content-length: 5\r\ntransfer-encoding: chunked",
		} {
			c := s.H2(A)
			stream := c.Begin(false, c.Pseudo("POST", path, line, "cookie: "+session)...)
			_ = c.WriteData(stream, true, []byte("0\r\n\r\n" + smuggled)[:5]) // which the gateway may not want any more
			c.Answer(stream, path)
			w.hold(fmt.Sprintf("%s %q", path, line))
		}
	}
	w.paths = nil
	own := s.Origin(A)[len("https://"):]
	for _, pseudo := range [][2]string{
		{":path", "/healthz HTTP/1.1\r\nremote-user: evil\r\nx: y"}, {":path", "/healthz\r\n\r\nGET /admin/smuggled HTTP/1.1"}, {":path", "/healthz /admin"}, {":path", ""}, {":path", "healthz"}, {":path", "*"},
		{":path", "/healthz\x00/../admin"}, {":path", "https://evil.test/admin"}, {":path", "//evil.test/admin"}, {":path", "/healthz#/../admin"},
		{":method", "GET /admin/smuggled HTTP/1.1\r\nremote-user: evil\r\nx: "}, {":method", "GET /admin"}, {":method", ""}, {":method", "GET\r\n"},
		{":authority", own + "\r\nremote-user: evil"}, {":authority", own + " evil"}, {":authority", "evil@" + own}, {":authority", own + "/x"}, {":authority", own + "\x00"}, {":authority", "..."},
		{":scheme", "https://evil.test/x?"}, {":scheme", "http\r\nremote-user: evil"}, {":scheme", "file"}, {":scheme", ""},
	} {
		c := s.H2(A)
		fields := c.Pseudo("GET", "/healthz", "cookie: "+session)
		for i := range fields {
			if fields[i][0] == pseudo[0] {
				fields[i][1] = pseudo[1]
			}
		}
		c.Ask(fields...)
		w.hold(fmt.Sprintf("%q", pseudo))
	}
	for _, extra := range [][2]string{{":path", "/admin"}, {":method", "POST"}, {":authority", "evil.test"}, {":x-auth-token", "evil"}, {":status", "200"}, {":protocol", "websocket"}, {":Path", "/admin"}} {
		c := s.H2(A)
		if a := c.Ask(append(c.Pseudo("GET", "/healthz", "x: y"), extra)...); a.Status == http.StatusOK {
			t.Errorf("%q after the fields: %v", extra, a)
		}
		w.hold(fmt.Sprintf("%q", extra))
	}
}
