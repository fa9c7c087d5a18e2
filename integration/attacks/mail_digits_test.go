package attacks

import (
	"net/http"
	"strings"
	"testing"
)

// A passcode is typed in the digits of another script, or with something between.
// POST finalize with １２３４５６, " 123 456 " and the like.
func TestT94DigitsOfOtherScripts(t *testing.T) {
	s := Begin(t)
	alice := s.Person("alice")
	shifted := func(zero rune) func(string) string {
		return func(code string) string {
			return strings.Map(func(r rune) rune { return r - '0' + zero }, code)
		}
	}
	for _, tt := range []struct {
		name  string
		typed func(code string) string
		good  bool
	}{
		{"fullwidth", shifted('０'), false},
		{"Arabic-Indic", shifted('٠'), false},
		{"Devanagari", shifted('०'), false},
		{"mathematical", shifted('𝟎'), false},
		{"with a NUL behind", func(c string) string { return c + "\x00" }, false},
		{"with a line break", func(c string) string { return c + "\n" }, false},
		{"with a zero-width space", func(c string) string { return c[:3] + "\u200b" + c[3:] }, false},
		{"with a combining mark", func(c string) string { return c + "\u0301" }, false},
		{"with a sign", func(c string) string { return "+" + c }, false},
		{"with a fraction", func(c string) string { return c + ".0" }, false},
		{"twice", func(c string) string { return c + c }, false},
		{"and 64 KiB less", func(c string) string { return c + strings.Repeat("0", 60<<10) }, false},
		{"as it is", func(c string) string { return c }, true},
		{"with spaces around and between", func(c string) string { return " " + c[:3] + " " + c[3:] + " " }, true},
		{"with a hyphen", func(c string) string { return c[:3] + "-" + c[3:] }, true},
		{"with a no-break space", func(c string) string { return c[:3] + "\u00a0" + c[3:] }, true},
		{"pasted with a tab", func(c string) string { return "\t" + c }, true},
	} {
		s.Elsewhere()
		person := s.Person(alice.Address[:5] + strings.Repeat("x", s.networks)) // budgets are per account
		proof := s.Passcode(A, person.Address)
		a := s.Finalize(A, Proof{proof.ID, tt.typed(proof.Code)})
		if tt.good {
			if a.Status != http.StatusOK {
				t.Errorf("%s: %v, want signed in", tt.name, a)
			}
			continue
		}
		s.shut(tt.name, a)
		if a.Status != http.StatusUnauthorized || outcome(a) != "wrong_passcode" {
			t.Errorf("%s: %v, want 401 wrong_passcode", tt.name, a)
		}
		if a := s.Finalize(A, proof); a.Status != http.StatusOK {
			t.Errorf("%s: the right passcode afterwards: %v", tt.name, a)
		}
	}

	// In JSON, what is no string is refused before it is counted as a guess.
	proof := s.Passcode(A, alice.Address)
	for _, body := range []string{
		`{"id":"` + proof.ID + `","code":` + strings.TrimLeft(proof.Code, "0") + `}`, `{"id":"` + proof.ID + `","code":["` + proof.Code + `"]}`,
		`{"id":"` + proof.ID + `","code":null}`, `{"id":"` + proof.ID + `","code":{"$ne":""}}`, `{"id":"` + proof.ID + `","code":true}`,
		`{"id":"` + proof.ID + `","code":""}`, `{"id":["` + proof.ID + `"],"code":"` + proof.Code + `"}`, `[{"id":"` + proof.ID + `","code":"` + proof.Code + `"}]`,
	} {
		if a := s.Post(A, finalize, body, "Content-Type: application/json"); a.Status != http.StatusBadRequest {
			t.Errorf("%s: %v, want 400", body, a)
		}
	}
	if a := s.Finalize(A, proof); a.Status != http.StatusOK {
		t.Errorf("the right passcode after eight malformed requests: %v", a)
	}
}
