package attacks

import (
	"net/http"
	"strings"
	"testing"
)

// A passcode is guessed until it is hit (brute force).
// POST finalize with ten wrong passcodes, and then with the right one.
func TestT80PasscodeIsGuessed(t *testing.T) {
	s := Begin(t)
	alice := s.Person("alice")
	proof := s.Passcode(A, alice.Address)
	var got []string
	for _, code := range wrongFor(proof.Code, 10) {
		got = append(got, outcome(s.Finalize(A, Proof{proof.ID, code})))
	}
	if want := "wrong_passcode wrong_passcode too_many_attempts passcode_not_found"; !strings.HasPrefix(strings.Join(got, " "), want) {
		t.Errorf("ten guesses: %v, want %s and so on", got, want)
	}
	a := s.Finalize(A, proof)
	s.shut("a passcode that was used up", a)
	if outcome(a) != "passcode_not_found" {
		t.Errorf("the right passcode after ten wrong ones: %v, want passcode_not_found", a)
	}

	// One step aside: the form of the page, from another network each time, and by
	// way of what is no passcode at all.
	bob := s.Person("bob")
	begun := s.Form(A, "/doorward/login", "email="+bob.Address+"&return=%2F")
	cookies := cookiesOf(begun)
	letter, err := s.Mailbox.For(s.mailbox, bob.Address)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range append(wrongFor(letter.Passcode(), 2), "0", letter.Passcode()[:5]) {
		s.Elsewhere()
		s.shut("a wrong passcode in the form", s.Form(A, "/doorward/login/passcode", "passcode="+code, cookies))
	}
	a = s.Form(A, "/doorward/login/passcode", "passcode="+letter.Passcode(), cookies)
	s.shut("the form after four wrong passcodes", a)

	// Three attempts are three: a person who mistypes twice comes in.
	carol := s.Person("carol")
	proof = s.Passcode(A, carol.Address)
	for _, code := range wrongFor(proof.Code, 2) {
		s.shut("a wrong passcode", s.Finalize(A, Proof{proof.ID, code}))
	}
	if a := s.Finalize(A, proof); a.Status != http.StatusOK {
		t.Errorf("the right passcode at the third attempt: %v", a)
	}
}

// The counter of wrong guesses is reset by beginning again (ToB #271, CVE-2024-21500).
// POST initialize, two wrong guesses, and so on, from many networks and by every name.
func TestT81CounterIsResetByBeginningAgain(t *testing.T) {
	s := Begin(t)
	s.inOneHour()
	alice := s.Person("alice")
	kept := s.Passcode(A, alice.Address) // good as long as the budget lasts
	var byID Proof
	byID.ID, _ = s.begin(A, map[string]string{"user_id": alice.ID})
	letter, err := s.Mailbox.For(s.mailbox, alice.Address)
	if err != nil {
		t.Fatal(err)
	}
	byID.Code = letter.Passcode()

	// Other spellings and other names of her, at another site: each is the same
	// account.
	promised := struct {
		UserID string `json:"user_id"`
	}{}
	s.Post(A, "/doorward/users", map[string]string{"email": alice.Address}).JSON(t, &promised)
	names := []struct {
		site  string
		named map[string]string
	}{
		{A, map[string]string{"email": alice.Address}},
		{A, map[string]string{"email": strings.ToUpper(alice.Address)}},
		{A, map[string]string{"user_id": alice.ID}},
		{A, map[string]string{"user_id": promised.UserID}},
		{C, map[string]string{"email": alice.Address}},
	}
	looked, begun := 0, 0
	for i := range 60 {
		s.Elsewhere()
		n := names[i%len(names)]
		id, a := s.begin(n.site, n.named)
		if id == "" {
			if a.Status != http.StatusTooManyRequests {
				t.Fatalf("beginning again: %v, want 200 or 429", a)
			}
			continue
		}
		begun++
		for _, code := range wrongFor("", 2) {
			a := s.Finalize(n.site, Proof{id, code})
			s.shut("a guess", a)
			if a.Status == http.StatusUnauthorized {
				looked++
			}
		}
	}
	// Whether a guess was compared at all cannot be seen, and is not to be: the right
	// passcode shows it.
	if begun < 11 || looked < 20 {
		t.Fatalf("%d ceremonies and %d guesses: too few to have spent a budget of 20", begun, looked)
	}
	s.Elsewhere()
	s.shut("the right passcode when the account's guesses are spent", s.Finalize(A, kept))
	s.shut("the right passcode, begun by the user ID, when the account's guesses are spent", s.Finalize(A, byID))
	if got := s.lettersTo(alice.Address); got > 10 {
		t.Errorf("%d letters, want at most 10", got)
	}
}

// Guesses, or right answers, are sent at the same moment (race between the count and
// the comparison). 100 parallel POST finalize.
func TestT83GuessesAreSentAtTheSameMoment(t *testing.T) {
	s := Begin(t)
	s.inOneHour()
	alice := s.Person("alice")
	proof := s.Passcode(A, alice.Address)
	var right []any
	for range 100 {
		right = append(right, proof)
	}
	got := outcomes(s.volley(A, finalize, right))
	if got["200"] != 1 {
		t.Errorf("100 times the right passcode: %v, want exactly one 200", got)
	}

	// Wrong ones do not share an attempt.
	bob := s.Person("bob")
	proof = s.Passcode(A, bob.Address)
	var wrong []any
	for _, code := range wrongFor(proof.Code, 100) {
		wrong = append(wrong, Proof{proof.ID, code})
	}
	got = outcomes(s.volley(A, finalize, wrong))
	if compared := got["wrong_passcode"] + got["too_many_attempts"]; compared > 3 || got["200"] > 0 {
		t.Errorf("100 guesses: %v, want 3 that were looked at", got)
	}
	s.shut("the right passcode afterwards", s.Finalize(A, proof))

	// The right one among 99 wrong ones: one of the first three may be it, and then
	// it is good once.
	s.Elsewhere()
	carol := s.Person("carol")
	proof = s.Passcode(A, carol.Address)
	mixed := []any{}
	for i, code := range wrongFor(proof.Code, 50) {
		if mixed = append(mixed, Proof{proof.ID, code}); i%2 == 0 {
			mixed = append(mixed, proof)
		}
	}
	got = outcomes(s.volley(A, finalize, mixed))
	if looked := got["200"] + got["wrong_passcode"] + got["too_many_attempts"]; got["200"] > 1 || looked > 3 {
		t.Errorf("the right passcode among wrong ones: %v, want at most one 200 and three that were looked at", got)
	}

	// Beginning many ceremonies at once does not share letters either.
	s.Elsewhere()
	dave := s.Person("dave")
	var begin []any
	for range 40 {
		begin = append(begin, map[string]string{"email": dave.Address})
	}
	got = outcomes(s.volley(A, initialize, begin))
	if got["200"] > 10 || got["200"]+got["too_many_requests"] != 40 {
		t.Errorf("40 ceremonies at once: %v, want 10 and 30 refusals", got)
	}
	if n := s.lettersTo(dave.Address); n > 10 {
		t.Errorf("%d letters from 40 ceremonies at once, want at most 10", n)
	}
}

// A passcode is used in another ceremony than its own.
// POST finalize with the passcode of one and the ID of another.
func TestT84PasscodeIsUsedElsewhere(t *testing.T) {
	s := Begin(t)
	alice, mallory := s.Person("alice"), s.Person("mallory")
	first, second := s.Passcode(A, alice.Address), s.Passcode(A, alice.Address)
	theirs := s.Passcode(A, mallory.Address)
	if first.Code != second.Code {
		s.shut("the passcode of another ceremony", s.Finalize(A, Proof{second.ID, first.Code}))
	}
	if theirs.Code != second.Code {
		s.shut("somebody else's passcode", s.Finalize(A, Proof{second.ID, theirs.Code}))
	}
	for _, id := range []string{"", "0", "%", strings.Repeat("0", 64<<10), second.ID + "/attempts", "../" + second.ID, second.ID + "\x00"} {
		s.shut("no ID", s.Finalize(A, Proof{id, second.Code}))
	}

	// Another app: what was begun at one site is not finished at another.
	for _, other := range []string{C, B} {
		proof := s.Passcode(A, s.Person("carol"+other[:1]).Address)
		s.shut("what was begun at another site", s.Finalize(other, proof))
	}

	// Another browser: a ceremony that a page began is finished by that browser, be it
	// with its cookie of the ceremony alone or by the endpoint.
	bob := s.Person("bob")
	begun := s.Form(A, "/doorward/login", "email="+bob.Address+"&return=%2F")
	letter, err := s.Mailbox.For(s.mailbox, bob.Address)
	if err != nil {
		t.Fatal(err)
	}
	id := begun.Cookie("__Host-doorward-passcode")
	s.shut("another browser, by the page", s.Form(A, "/doorward/login/passcode", "passcode="+letter.Passcode(), "Cookie: __Host-doorward-passcode="+id))
	other := s.Form(A, "/doorward/login", "email="+mallory.Address+"&return=%2F")
	s.shut("another browser with a binding of its own", s.Form(A, "/doorward/login/passcode", "passcode="+letter.Passcode(),
		"Cookie: __Host-doorward-passcode="+id+"; __Host-doorward-browser="+other.Cookie("__Host-doorward-browser")))
	s.shut("a program", s.Finalize(A, Proof{id, letter.Passcode()}))
}

// cookiesOf returns the Cookie field of a browser that was given an answer.
func cookiesOf(a Answer) string {
	var pairs []string
	for _, c := range a.Cookies {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return "Cookie: " + strings.Join(pairs, "; ")
}
