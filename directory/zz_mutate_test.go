package directory

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestZZMutate(t *testing.T) {
	const header = `{"header":{"format":"doorward-export","version":1,"created_at":"2026-02-03T04:05:06.000789Z","program":"","counts":{"users":1,"addresses":1,"groups":1,"passkeys":1,"keys":1,"events":1},"last_event_id":9}}`
	var seeds [][]byte
	for _, line := range []string{
		`{"user":{"id":"0b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55","name":"Ann","disabled":false,"added":true,"groups":["admins"],"created_at":"2026-01-02T03:04:05.000006Z","updated_at":"2026-01-02T03:04:05.000006Z","addresses":[{"id":"9a2c7a0e-58a4-4b8e-8f5c-1d1f0c2b3a44","address":"ann@example.com","verified":true,"primary":true,"created_at":"2026-01-02T03:04:05.000006Z","updated_at":"2026-01-02T03:04:05.000006Z"}],"passkeys":[{"id":"q83vEjRWeJA","rp_id":"example.com","name":"Laptop","public_key":"pQECAyYgASFYIA","aaguid":"AAAAAAAAAAAAAAAAAAAAAA","attestation_type":"none","attestation_format":"none","attachment":"platform","transports":["internal","hybrid"],"sign_count":0,"user_present":true,"user_verified":true,"backup_eligible":true,"backup_state":true,"discoverable":true,"created_at":"2026-01-02T03:05:00.000000Z","last_used_at":"2026-02-01T08:00:00.000000Z"}]}}`,
		`{"key":{"id":"6QJ2N4VDJ5XUIFNCKZDMMBOJKC","algorithm":"ES256","public":"eyJrdHkiOiJFQyJ9","sealed":"AQxhbGwgb2YgaXQgc2VhbGVk","created_at":"2026-01-01T00:00:00.000000Z"}}`,
		`{"event":{"id":7,"at":"2026-01-02T03:05:00.000000Z","type":"passkey_added","user_id":"","detail":"","client":"192.0.2.1"}}`,
		`{"footer":{"counts":{"users":1},"sha256":"jK0V6Dtl3lXWbM8v3gsgGvvbYVrIlCuA-zX2KQHYmcE"}}`,
		`{"user":null,"key":{},"KEY":{"id":"\u0000"}}`,
	} {
		seeds = append(seeds, []byte(line))
	}
	body := func(t *testing.T, header, line []byte) {
		r, err := readFile(bytes.NewReader(append(append(header, '\n'), append(line, '\n')...)))
		if err != nil {
			return
		}
		l, err := r.next()
		if err != nil {
			return
		}
		var got, want any
		switch {
		case l.Key != nil:
			k, err := l.Key.key()
			if err != nil {
				return
			}
			want = k
			if got, err = again(t, fileLine{Key: newFileKey(k)}).Key.key(); err != nil {
				t.Fatal(err)
			}
		case l.User != nil:
			u, passkeys, err := l.User.user()
			if err != nil {
				return
			}
			want = newFileUser(u, passkeys)
			u, passkeys, err = again(t, fileLine{User: newFileUser(u, passkeys)}).User.user()
			if err != nil {
				t.Fatal(err)
			}
			got = newFileUser(u, passkeys)
		case l.Event != nil:
			e, err := l.Event.event(0, maxEventID)
			if err != nil {
				return
			}
			want = e
			if got, err = again(t, fileLine{Event: newFileEvent(e)}).Event.event(0, maxEventID); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	tokens := [][]byte{[]byte("null"), []byte("{}"), []byte("[]"), []byte(`""`), []byte("0"), []byte("-1"), []byte("1e9"), []byte(`"a b"`), []byte("true"), []byte(","), []byte(`"user":`), []byte(`"a"`)}
	for i := range 300000 {
		line := bytes.Clone(seeds[i%len(seeds)])
		for range 1 + rand.IntN(4) {
			if len(line) == 0 {
				break
			}
			at := rand.IntN(len(line))
			switch rand.IntN(5) {
			case 0:
				line[at] = byte(rand.Uint32())
			case 1:
				line = append(line[:at], line[at+1:]...)
			case 2:
				line = append(line[:at:at], append(bytes.Clone(tokens[rand.IntN(len(tokens))]), line[at:]...)...)
			case 3:
				end := at + rand.IntN(len(line)-at)
				line = append(line[:at:at], line[end:]...)
			case 4:
				line[at] ^= 1 << rand.IntN(8)
			}
		}
		body(t, []byte(header), line)
	}
}
