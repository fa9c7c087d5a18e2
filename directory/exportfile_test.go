package directory_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The files of these tests are made by hand, after docs/export.md, and not by
// the package that reads them.

// An object is a JSON object.
type object = map[string]any

// file returns a whole file with these records.
func file(t testing.TB, records ...object) []byte {
	t.Helper()
	return sealFile(t, header(t, records...), records...)
}

func header(t testing.TB, records ...object) object {
	t.Helper()
	last := int64(0)
	for _, r := range records {
		if e, ok := r["event"].(object); ok {
			last, _ = e["id"].(int64)
		}
	}
	return object{
		"format": "doorward-export", "version": 1, "created_at": "2026-02-03T04:05:06.000789Z", "program": "v1.2.3",
		"counts": counts(records...), "last_event_id": last,
	}
}

func counts(records ...object) map[string]int {
	n := map[string]int{"users": 0, "addresses": 0, "groups": 0, "passkeys": 0, "keys": 0, "events": 0}
	for _, r := range records {
		for kind, content := range r {
			n[kind+"s"]++
			if u, ok := content.(object); ok && kind == "user" {
				for _, list := range []string{"addresses", "passkeys"} {
					have, _ := u[list].([]object)
					n[list] += len(have)
				}
				groups, _ := u["groups"].([]string)
				n["groups"] += len(groups)
			}
		}
	}
	return n
}

// sealFile puts lines between a header and the footer that belongs behind them.
func sealFile(t testing.TB, header object, records ...object) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, r := range append([]object{{"header": header}}, records...) {
		b.Write(encodeLine(t, r))
	}
	return sealLines(t, b.Bytes(), counts(records...))
}

func sealLines(t testing.TB, lines []byte, counts map[string]int) []byte {
	t.Helper()
	sum := sha256.Sum256(lines)
	footer := object{"footer": object{"counts": counts, "sha256": b64(sum[:])}}
	return append(slices.Clone(lines), encodeLine(t, footer)...)
}

func encodeLine(t testing.TB, line object) []byte {
	t.Helper()
	b, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// decodeLines returns the lines of a file as objects, whatever the order of
// their members, without the first and the last.
func decodeLines(t testing.TB, file []byte) []object {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	var objects []object
	for _, line := range lines[1 : len(lines)-1] {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		var o object
		if err := decoder.Decode(&o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		objects = append(objects, o)
	}
	return objects
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// records returns a directory of n users with something of everything that one
// can hold, the same for the same seed.
func records(seed uint64, n int) []object {
	g := generator{rand.New(rand.NewPCG(seed, 0)), 0}
	var all []object
	for range g.IntN(3) {
		all = append(all, object{"key": g.key()})
	}
	slices.SortFunc(all, func(a, b object) int {
		return cmp.Compare(a["key"].(object)["created_at"].(string), b["key"].(object)["created_at"].(string))
	})
	var users []object
	for range n {
		users = append(users, object{"user": g.user()})
	}
	slices.SortFunc(users, func(a, b object) int {
		return cmp.Compare(a["user"].(object)["id"].(string), b["user"].(object)["id"].(string))
	})
	all = append(all, users...)
	id := int64(0)
	for range g.IntN(2 * n) {
		id += 1 + g.Int64N(3)*g.Int64N(1000)
		all = append(all, object{"event": object{
			"id": id, "at": g.time(), "type": g.text(), "user_id": g.id(), "detail": g.text(), "client": g.text(),
		}})
	}
	return all
}

type generator struct {
	*rand.Rand
	n int // of what has to be unique
}

func (g *generator) yes() bool { return g.IntN(2) == 0 }

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func (g *generator) id() string {
	b := g.bytes(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// time returns a time to the microsecond, or to the second, of 1970 to 2096.
func (g *generator) time() string {
	us := g.Int64N(4_000_000_000_000_000)
	if g.yes() {
		us -= us % 1_000_000
	}
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// text returns text that may stand everywhere.
func (g *generator) text() string {
	return []string{
		"", "Ann", "Zoë 🙂", "日本語", `<b>"quoted" & \escaped</b>`, "' OR 1=1 --", "a\u2003b", "\ufffd", strings.Repeat("ü", 64),
	}[g.IntN(9)]
}

func (g *generator) key() object {
	g.n++
	k := object{
		"id": fmt.Sprintf("key %d", g.n), "algorithm": []string{"ES256", "EdDSA", ""}[g.IntN(3)],
		"public": b64(g.bytes(g.IntN(100))), "sealed": b64(g.bytes(g.IntN(3000))),
		"created_at": g.time(), "signs_from": g.time(),
	}
	if g.yes() {
		k["retires_at"] = g.time()
	}
	return k
}

func (g *generator) user() object {
	groups := []string{}
	for _, name := range []string{"Admins", "a.b", "staff", strings.Repeat("x", 64)} { // sorted
		if g.yes() {
			groups = append(groups, name)
		}
	}
	var addresses []object
	for i := range 1 + g.IntN(3) {
		g.n++
		local := []string{"ann", "jörg", "o'neil+tag", "!#$%&*/=?^_{|}~", "аня"}[g.IntN(5)]
		domain := []string{"example.com", "xn--bcher-kva.example", "a.b.c.example"}[g.IntN(3)]
		addresses = append(addresses, object{
			"id": g.id(), "address": fmt.Sprintf("%s.%d@%s", local, g.n, domain), "verified": g.yes(), "primary": i == 0,
			"created_at": g.time(), "updated_at": g.time(),
		})
	}
	slices.SortFunc(addresses[1:], byAge)
	passkeys := []object{}
	for range g.IntN(4) {
		passkeys = append(passkeys, g.passkey())
	}
	slices.SortFunc(passkeys, byAge)
	return object{
		"id": g.id(), "name": g.text(), "disabled": g.yes(), "added": g.yes(), "groups": groups,
		"created_at": g.time(), "updated_at": g.time(), "addresses": addresses, "passkeys": passkeys,
	}
}

func byAge(a, b object) int {
	return cmp.Compare(a["created_at"].(string), b["created_at"].(string))
}

func (g *generator) passkey() object {
	p := object{
		"id": b64(g.bytes([]int{16, 32, 64, 1023}[g.IntN(4)])), "rp_id": g.text(), "name": g.text(),
		"public_key": b64(g.bytes(1 + g.IntN(300))), "aaguid": b64(g.bytes(16 * g.IntN(2))),
		"attestation_type": g.text(), "attestation_format": g.text(), "attachment": g.text(),
		"transports": [][]string{{}, {"internal"}, {"usb", "nfc", "usb"}, {"", "\x00\u2028", `"`}}[g.IntN(4)],
		"sign_count": []uint32{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1}[g.IntN(5)], "user_present": g.yes(), "user_verified": g.yes(),
		"backup_eligible": g.yes(), "backup_state": g.yes(), "discoverable": g.yes(),
		"created_at": g.time(),
	}
	if g.yes() {
		p["last_used_at"] = g.time()
	}
	return p
}
