package attacks

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// reached returns who was sent a letter since the mailbox had n.
func (s *Scene) reached(n int) (who []string) {
	s.T.Helper()
	s.lettersTo("")
	for _, letter := range s.Mailbox.All()[n:] {
		who = append(who, letter.To...)
	}
	return who
}

// An address is read as that of another domain than it is (oauth2-proxy
// CVE-2026-40574). POST initialize with attacker@evil.com@example.test and the like.
func TestT90AddressIsReadInTwoWays(t *testing.T) {
	s := Begin(t)
	mallory := s.SignedIn("mallory")
	s.readAll(mallory.Address)
	before := len(s.Mailbox.All())

	// What is no address, or could be two, is refused as such, wherever one is asked
	// for.
	malformed := []string{
		"attacker@evil.com@example.test", `"a@b"@example.test`, `"attacker@evil.com"@example.test`, "attacker@evil.com\x00@example.test",
		"x@example.test\x00@evil.com", "x@evil.com,y@example.test", "x@example.test,evil@evil.com", "x@example.test;y@evil.com",
		"x@example.test y@evil.com", "<x@evil.com>y@example.test", "Ann <x@example.test>", "x@evil.com(@example.test)", "x@evil.com%00@example.test@evil.com",
		"x@example.test\r\nBcc: evil@evil.com", "x@example.test\nevil@evil.com", "x@[127.0.0.1]", "x@127.0.0.1", "x@localhost", "x@example.test.",
		"x@.example.test", "x@example..test", "@example.test", "x@", "x", "x.@example.test", ".x@example.test", "x..y@example.test",
		"x\u200b@example.test", "x@exa\u00admple.test@evil.com", "x\u202e@example.test", "x@example.test\uFF0Cevil@evil.com", "x\uff20evil.com@example.test",
		"x@evil.com\u3002@example.test", "x@" + strings.Repeat("a", 64) + ".test", strings.Repeat("x", 65) + "@example.test", strings.Repeat("x@", 200) + "example.test",
	}
	for _, address := range malformed {
		for name, a := range map[string]Answer{
			"initialize": s.Post(A, initialize, map[string]string{"email": address}),
			"users":      s.Post(A, "/doorward/users", map[string]string{"email": address}),
			"emails":     s.Post(A, "/doorward/emails", map[string]string{"address": address}, mallory.Bearer),
			"the form":   s.Form(A, "/doorward/login", url.Values{"email": {address}}.Encode()),
		} {
			if a.Status != http.StatusBadRequest {
				t.Errorf("%s, %q: %v, want 400", name, address, a)
			}
		}
		s.Elsewhere()
	}

	// What is the address of another domain is that of another domain: nothing is sent,
	// and nobody told.
	for _, address := range []string{
		"x@example.test.evil.com", "x@evilexample.test", "x@sub.example.test", "x@example.tes", "x@ехample.test", "x@examp1e.test", "x@xn--xample-2of.test",
		"x%example.test@evil.com", "example.test@evil.com",
	} {
		if id, a := s.begin(A, map[string]string{"email": address}); id == "" {
			t.Errorf("%q: %v, want 200 as for anybody", address, a)
		}
	}
	if got := s.reached(before); len(got) > 0 {
		t.Errorf("letters to %q, want none", got)
	}

	// The local part is whatever it is: the domain is what follows the last @.
	before = len(s.Mailbox.All())
	for _, address := range []string{"example.com." + s.name + "@example.test", "a%b!c/evil.com." + s.name + "@example.test"} {
		proof := s.Passcode(A, address)
		if a := s.Finalize(A, proof); a.Status != http.StatusOK {
			t.Errorf("%q: %v, want signed in", address, a)
		}
		if got := s.reached(before); !slices.Equal(got, []string{address}) {
			t.Errorf("%q: letters to %q", address, got)
		}
		before = len(s.Mailbox.All())
	}
}

// A mailbox is spelled in another way, so that somebody else's account opens or a
// letter goes astray (U+017F and U+212A fold to ASCII letters).
// Sign-in and sign-up with Alice@Example.TEST, tags, dots, other letters.
func TestT92MailboxIsSpelledInAnotherWay(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice.sk") // with letters that others fold to
	s.readAll(alice.Address)
	local, domain, _ := strings.Cut(alice.Address, "@")

	// The same mailbox: the letter goes to the address that is on file, and the account
	// is hers.
	before := len(s.Mailbox.All())
	for _, typed := range []string{strings.ToUpper(local) + "@" + domain, local + "@EXAMPLE.Test", strings.ToUpper(alice.Address), local + "@ＥＸＡＭＰＬＥ.test", local + "@exaｍple。test", local + "@exa\u200bm\u00adple.test"} {
		id, a := s.begin(A, map[string]string{"email": typed})
		if id == "" {
			t.Errorf("%q: %v", typed, a)
			continue
		}
		letter, err := s.Mailbox.For(s.mailbox, alice.Address)
		if err != nil {
			t.Fatalf("%q: %v", typed, err)
		}
		a = s.Finalize(A, Proof{id, letter.Passcode()})
		if who := s.me(a); who != alice.ID {
			t.Errorf("%q signs in as %q, want Alice, %q", typed, who, alice.ID)
		}
	}
	if got := s.reached(before); len(slices.Compact(got)) != 1 || got[0] != alice.Address {
		t.Errorf("letters to %q, want to %q alone", got, alice.Address)
	}

	// Another mailbox, at most servers: another account, or none.
	accounts := map[string]string{alice.ID: alice.Address}
	s.Elsewhere()
	for _, other := range []string{
		strings.Replace(local, ".", "", 1) + "@" + domain, local + "+tag@" + domain, strings.Replace(local, "a", "а", 1) + "@" + domain, // Cyrillic
		strings.Replace(local, "l", "ł", 1) + "@" + domain, strings.Replace(local, "i", "ı", 1) + "@" + domain, strings.Replace(local, "i", "ï", 1) + "@" + domain,
	} {
		who := s.me(s.Finalize(A, s.Passcode(A, other)))
		if taken, ok := accounts[who]; ok || who == "" {
			t.Errorf("%q signs in as %q, who is %q", other, who, taken)
		}
		accounts[who] = other
	}
	// One letter in two encodings is one mailbox.
	composed, decomposed := "caf\u00e9."+s.name+"@"+domain, "cafe\u0301."+s.name+"@"+domain
	first := s.me(s.Finalize(A, s.Passcode(A, composed)))
	id, a := s.begin(A, map[string]string{"email": decomposed})
	letter, err := s.Mailbox.For(s.mailbox, composed)
	if err != nil {
		t.Fatalf("%q: %v, %v", decomposed, a, err)
	}
	if second := s.me(s.Finalize(A, Proof{id, letter.Passcode()})); second != first {
		t.Errorf("composed signs in as %s, decomposed as %s", first, second)
	}

	// What others would fold into Alice's address is none at all.
	s.Elsewhere()
	before = len(s.Mailbox.All())
	for _, folded := range []string{
		strings.Replace(local, "s", "\u017f", 1), strings.Replace(local, "k", "\u212a", 1), strings.Replace(local, "a", "\uff41", 1),
		strings.Replace(local, "a", "\U0001d41a", 1), strings.Replace(local, ".", "\u2024", 1), local + "\u200d", local + "\ufe0f",
	} {
		for name, a := range map[string]Answer{
			"initialize": s.Post(A, initialize, map[string]string{"email": folded + "@" + domain}),
			"users":      s.Post(A, "/doorward/users", map[string]string{"email": folded + "@" + domain}),
			"emails":     s.Post(A, "/doorward/emails", map[string]string{"address": folded + "@" + domain}, alice.Bearer),
		} {
			if a.Status != http.StatusBadRequest {
				t.Errorf("%s, %+q: %v, want 400", name, folded, a)
			}
		}
	}
	if got := s.reached(before); len(got) > 0 {
		t.Errorf("letters to %q, want none", got)
	}
}

// me returns who an answer signed in, or "".
func (s *Scene) me(a Answer) string {
	s.T.Helper()
	token := a.Cookie("__Host-doorward")
	if token == "" {
		return ""
	}
	var me struct{ ID string }
	s.Get(A, "/doorward/me", "Cookie: __Host-doorward="+token).JSON(s.T, &me)
	return me.ID
}
