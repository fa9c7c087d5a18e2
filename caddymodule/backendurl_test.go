package caddymodule

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestPasswordOutsideTheURLNeedsNoEncoding(t *testing.T) {
	for _, password := range []string{"plain", "p@ss", "a/b", "a:b", "a?b#c", "50%", "%41", "a b+c", "[x]", "ü", "{x}", "\xff\x00", `"\`} {
		for _, where := range []string{"redis://localhost:6379/0", "unix:///run/redis.sock?db=1", "postgres://db/doorward?sslmode=disable"} {
			merged, err := withLogin(where, "door@example", password)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(merged)
			if err != nil {
				t.Errorf("%q: the URL cannot be read: %v", password, err)
				continue
			}
			if got, _ := u.User.Password(); got != password || u.User.Username() != "door@example" {
				t.Errorf("the URL has %q and %q, want door@example and %q", u.User.Username(), got, password)
			}
			if u.User = nil; u.String() != where {
				t.Errorf("the rest of the URL is %s, want %s", u, where)
			}
		}
	}
}

func TestLoginOfTheURLAndOfTheOptionsAddUp(t *testing.T) {
	const several = "redis+sentinel://%ss1:26379,s2:26379,s3/door/0"
	for _, tt := range []struct {
		in, user, password string
		want               string
		err                error
	}{
		{in: "", want: ""},
		{in: "door:pw@", want: "door:pw@"},
		{in: "door:p%40w@", want: "door:p%40w@"},
		{in: "", user: "door", want: "door@"},
		{in: "", password: "p@w", want: ":p%40w@"},
		{in: "", user: "door", password: "pw", want: "door:pw@"},
		{in: "door@", password: "pw", want: "door:pw@"},
		{in: "do%6Fr@", password: "pw", want: "door:pw@"},
		{in: ":pw@", user: "door", want: "door:pw@"},
		{in: "door@", user: "door", err: errTwoUsers},
		{in: "door:pw@", user: "door", err: errTwoUsers},
		{in: ":pw@", password: "pw", err: errTwoPasswords},
		{in: "door:pw@", password: "pw", err: errTwoPasswords},
		{in: "door:@", password: "pw", err: errTwoPasswords},
		{in: "door:p/w@", err: errNotEncoded},
		{in: "door:p?w@", err: errNotEncoded},
		{in: "door:p#w@", err: errNotEncoded},
		{in: "door:50%@", err: errNotEncoded},
		{in: "door:p/w@", user: "door", err: errNotEncoded},
		{in: "door:pw:", err: errManyColons},
		{in: "door:pw@[::1]:26379,", want: "door:pw@[::1]:26379,"},
	} {
		got, err := withLogin(strings.Replace(several, "%s", tt.in, 1), tt.user, tt.password)
		if !errors.Is(err, tt.err) || tt.err == nil && got != strings.Replace(several, "%s", tt.want, 1) {
			t.Errorf("%q with user %q and password %q: %q, error %v; want %q, error %v", tt.in, tt.user, tt.password, got, err, tt.want, tt.err)
		}
	}
}

// A Caddyfile is judged before its placeholders have values.
func TestURLIsJudgedOnlyWhereItsPlaceholdersLeaveNoDoubt(t *testing.T) {
	for _, tt := range []struct {
		where   string
		settled bool
		outline string
	}{
		{"redis://localhost", true, "redis://localhost"},
		{"redis://door:{env.PASSWORD}@localhost", true, "redis://door:0@localhost"},
		{"redis://{env.LOGIN}@localhost", true, "redis://0@localhost"},
		{"redis://door:{file./run/secrets/redis}@localhost", true, "redis://door:0@localhost"},
		{"redis://door:{env.PASSWORD}@{env.HOST}", false, "redis://door:0@0"},
		{"redis://{env.HOST}/0", false, "redis://0/0"},
		{"{env.STORE}", false, "0"},
		{"{env.SCHEME}://door@localhost", false, "0://door@localhost"},
	} {
		if got := settled(tt.where); got != tt.settled {
			t.Errorf("settled(%q) = %v, want %v", tt.where, got, tt.settled)
		}
		if got := outline(tt.where); got != tt.outline {
			t.Errorf("outline(%q) = %q, want %q", tt.where, got, tt.outline)
		}
	}
}

// What stands in braces may be a piece of a password whose owner did not know
// that Caddy reads braces.
func TestOnlyPlaceholdersOfKnownKindsAreNamedInErrors(t *testing.T) {
	t.Setenv("DOORWARD_EMPTY", "")
	for in, want := range map[string]string{
		"{env.DOORWARD_NOT_SET}":   "{env.DOORWARD_NOT_SET}",
		"{env.DOORWARD_EMPTY}":     "{env.DOORWARD_EMPTY}",
		"{file./does/not/exist}":   "{file./does/not/exist}",
		"redis://:a{hidden}b@host": "a placeholder stands for nothing",
	} {
		_, err := replace("store", in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("replace(%q): error %v, want %q and nothing of a password", in, err, want)
		}
	}
	got, err := replace("store", `redis://:a\{b\}c@host`)
	if want := "redis://:a{b}c@host"; got != want || err != nil {
		t.Errorf("escaped braces: %q, error %v, want %q", got, err, want)
	}
}

// FuzzLogin holds the two ways to say a password to each other, whatever it is.
func FuzzLogin(f *testing.F) {
	f.Add("redis+cluster://a:6379,b/", "door", "p@ss/w:rd")
	f.Add("unix:///run/redis.sock?db=0", "", "%")
	f.Add("://@", "x", "y")
	f.Fuzz(func(t *testing.T, where, user, password string) {
		before, in, after, err := cutLogin(where)
		if err != nil {
			return
		}
		merged, err := withLogin(where, user, password)
		if err != nil {
			if in.user == "" && !in.hasPassword {
				t.Errorf("withLogin: %v", err)
			}
			return
		}
		if in.user == "" {
			in.user = user
		}
		if !in.hasPassword {
			in.password, in.hasPassword = password, password != ""
		}
		gotBefore, got, gotAfter, err := cutLogin(merged)
		if err != nil || gotBefore != before || gotAfter != after || got != in {
			t.Errorf("read again: %q %+v %q, error %v; want %q %+v %q", gotBefore, got, gotAfter, err, before, in, after)
		}
	})
}
