package logs

import (
	"net/http"
	"slices"
	"testing"
)

func TestAnswersAndRequestsAreReadForWhatTheyHold(t *testing.T) {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	object := http.Header{"Content-Type": {"application/json"}}
	for _, tt := range []struct {
		name string
		note func(*Issued)
		want []Secret
	}{
		{"the cookie of a session", func(i *Issued) {
			i.Answer(http.Header{"Set-Cookie": {"__Host-doorward=" + token + "; Path=/; Secure", "doorward-browser=" + binding, "doorward-began=1"}}, nil)
		}, []Secret{{Token, token}, {Cookie, binding}}},
		{"the handle of a deleted user", func(i *Issued) {
			i.Answer(http.Header{"Set-Cookie": {"doorward-deleted=" + binding}}, nil)
		}, nil},
		{"a session token in the header", func(i *Issued) { i.Answer(http.Header{"X-Auth-Token": {token}}, nil) }, []Secret{{Token, token}}},
		{"a challenge", func(i *Issued) { i.Answer(object, []byte(`{"publicKey":{"challenge":"`+binding+`"}}`)) }, []Secret{{Challenge, binding}}},
		{"a ceremony", func(i *Issued) { i.Answer(object, []byte(`{"id":"`+binding+`","ttl":300}`)) }, []Secret{{Ceremony, binding}}},
		{"an ID that is none of a ceremony", func(i *Issued) { i.Answer(object, []byte(`{"id":"`+binding+`"}`)) }, nil},
		{"a page", func(i *Issued) {
			i.Answer(http.Header{"Content-Type": {"text/html"}}, []byte(`{"publicKey":{"challenge":"`+binding+`"}}`))
		}, nil},
		{"an address in a form", func(i *Issued) { i.Asked(form, []byte("email=ann%40example.com&return=%2F")) }, []Secret{{Address, "ann@example.com"}}},
		{"an address in JSON", func(i *Issued) { i.Asked(object, []byte(`{"address":"ann@example.com"}`)) }, []Secret{{Address, "ann@example.com"}}},
		{"what is no address", func(i *Issued) { i.Asked(object, []byte(`{"email":"evil"}`)) }, nil},
		{"a letter", func(i *Issued) { i.Letter("Your code is 012345.\nIt is good for 5 minutes.") }, []Secret{{Passcode, "012345"}}},
		{"a longer passcode", func(i *Issued) { i.Letter("Your code is 0123456789.") }, []Secret{{Passcode, "0123456789"}}},
		{"passwords of backends", func(i *Issued) {
			i.Configuration("store redis://:p%40ss@localhost:1\nmail smtp://door:pass@localhost:2\nreverse_proxy http://localhost:3")
		}, []Secret{{Password, "p%40ss"}, {Password, "p@ss"}, {Password, "pass"}}},
		{"a secret", func(i *Issued) { i.Configuration("\tsecret \"0123456789abcdef0123456789abcdef\"\n") }, []Secret{{Sealing, "0123456789abcdef0123456789abcdef"}}},
		{"the same twice", func(i *Issued) { i.Add(Cookie, binding); i.Add(Cookie, binding) }, []Secret{{Cookie, binding}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var issued Issued
			tt.note(&issued)
			if got := issued.Secrets(); !slices.Equal(got, tt.want) {
				t.Errorf("noted %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEvidenceIsReadAsItWasLeft(t *testing.T) {
	folder := t.TempDir()
	var issued Issued
	issued.Add(Passcode, "123456")
	e := evidence{issued: &issued}
	if err := e.keep(folder, []byte("one"), false); err != nil {
		t.Fatal(err)
	}
	issued.Add(Token, token)
	if err := e.keep(folder, []byte("two"), true); err != nil {
		t.Fatal(err)
	}
	programs, err := Programs(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) != 1 {
		t.Fatalf("%d programs, want 1", len(programs))
	}
	p := programs[0]
	if want := []Secret{{Passcode, "123456"}, {Token, token}}; !slices.Equal(p.Issued, want) {
		t.Errorf("issued %v, want %v", p.Issued, want)
	}
	if len(p.Logs) != 1 || len(p.Letters) != 1 {
		t.Errorf("logs %q and %q with letters, want one each", p.Logs, p.Letters)
	}
	if _, err := Programs(t.TempDir()); err == nil {
		t.Error("an empty folder is evidence")
	}
}
