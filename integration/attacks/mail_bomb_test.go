package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A mailbox is filled with letters (mail bomb).
// POST initialize for one address from 200 networks, by every endpoint and name.
func TestT89MailboxIsBombed(t *testing.T) {
	s := Begin(t)
	s.inOneHour()
	victim := s.SignedIn("victim")
	s.AddPasskey(A, victim)
	mallory := s.SignedIn("mallory")
	before := s.lettersTo(victim.Address)

	var promised struct {
		UserID string `json:"user_id"`
	}
	s.Post(A, "/doorward/users", map[string]string{"email": victim.Address}).JSON(t, &promised)
	var added struct{ ID string }
	s.Post(A, "/doorward/emails", map[string]string{"address": victim.Address}, mallory.Bearer).JSON(t, &added)
	ways := []func() Answer{
		func() Answer { return s.Post(A, initialize, map[string]string{"email": victim.Address}) },
		func() Answer {
			return s.Post(A, initialize, map[string]string{"email": strings.ToUpper(victim.Address)})
		},
		func() Answer { return s.Post(A, initialize, map[string]string{"user_id": victim.ID}) },
		func() Answer { return s.Post(A, initialize, map[string]string{"user_id": promised.UserID}) },
		func() Answer {
			return s.Post(A, initialize, map[string]string{"user_id": mallory.ID, "email_id": added.ID}, mallory.Bearer)
		},
		func() Answer { return s.Post(C, initialize, map[string]string{"email": victim.Address}) },
		func() Answer { return s.Form(A, "/doorward/login", "email="+victim.Address) },
		func() Answer {
			return s.Form(A, "/doorward/account/emails/add", "email="+victim.Address, mallory.Cookie)
		},
	}
	got := make(map[string]int)
	for i := range 200 {
		s.Elsewhere()
		a := ways[i%len(ways)]()
		got[fmt.Sprint(a.Status)]++
		if a.Status/100 != 2 && a.Status != http.StatusTooManyRequests && a.Status != http.StatusSeeOther {
			t.Errorf("%v, want 200, 303 or 429", a)
		}
	}
	if got["429"] == 0 {
		t.Errorf("200 requests: %v, none of them 429", got)
	}
	if letters := s.lettersTo(victim.Address) - before; letters > 10 || letters == 0 {
		t.Errorf("%d letters in an hour, want 1 to 10", letters)
	}
	// The victim signs in with the passkey, and their session goes on.
	if a := s.SignInByPasskey(A, victim); a.Status != http.StatusOK {
		t.Errorf("the victim's passkey: %v", a)
	}
	if a := s.Get(A, "/", victim.Cookie); a.Status != http.StatusOK {
		t.Errorf("the victim's session: %v", a)
	}
	// Nobody else is kept out by it.
	s.SignIn(A, s.Person("bystander"))
}

// Somebody else's budget is burned so that they cannot come in (lock-out as denial of
// service). 40 ceremonies and 80 wrong passcodes for alice, from many networks and hers.
func TestT96BudgetOfSomebodyIsBurned(t *testing.T) {
	s := Begin(t)
	s.inOneHour()
	home := s.from
	alice := s.Person("alice")
	// Her browser has signed in before, by the page, and kept its cookies.
	browser := make(map[string]string)
	jar := func() string {
		var pairs []string
		for name, value := range browser {
			pairs = append(pairs, name+"="+value)
		}
		return "Cookie: " + strings.Join(pairs, "; ")
	}
	keep := func(a Answer) Answer {
		for _, c := range a.Cookies {
			if browser[c.Name] = c.Value; c.MaxAge < 0 {
				delete(browser, c.Name)
			}
		}
		return a
	}
	signIn := func() Answer {
		t.Helper()
		if a := keep(s.Form(A, "/doorward/login", "email="+alice.Address+"&return=%2F", jar())); a.Status != http.StatusSeeOther {
			return a
		}
		letter, err := s.Mailbox.For(s.mailbox, alice.Address)
		if err != nil {
			t.Fatal(err)
		}
		return keep(s.Form(A, "/doorward/login/passcode", "passcode="+letter.Passcode()+"&return=%2F", jar()))
	}
	a := signIn()
	if a.Status != http.StatusSeeOther {
		t.Fatalf("signing in: %v", a)
	}
	s.adopt(alice, a)
	s.AddPasskey(A, alice)
	if _, err := s.Mailbox.For(s.mailbox, alice.Address); err != nil { // that she has a passkey
		t.Fatal(err)
	}
	s.Form(A, "/doorward/logout", "", jar())
	delete(browser, "__Host-doorward")

	burn := func() {
		for _, named := range []map[string]string{{"email": alice.Address}, {"user_id": alice.ID}} {
			for range 10 {
				id, _ := s.begin(A, named)
				if id == "" {
					break
				}
				for _, code := range wrongFor("", 2) {
					s.shut("a guess", s.Finalize(A, Proof{id, code}))
				}
			}
		}
	}
	burn() // from her own network
	for range 3 {
		s.Elsewhere()
		burn()
	}
	a = s.Post(A, initialize, map[string]string{"email": alice.Address})
	if a.Status != http.StatusTooManyRequests {
		t.Fatalf("her budget is not burned: %v", a)
	}
	before := s.lettersTo(alice.Address)

	s.from = home
	if a := s.SignInByPasskey(A, alice); a.Status != http.StatusOK {
		t.Errorf("her passkey, from her network: %v", a)
	}
	s.readAll(alice.Address)
	if a := signIn(); a.Status != http.StatusSeeOther || a.Cookie("__Host-doorward") == "" {
		t.Errorf("her browser, which has signed in before, with a passcode: %v, want signed in", a)
	}
	if got := s.lettersTo(alice.Address) - before; got != 1 {
		t.Errorf("%d letters to her browser, want 1", got)
	}

	// What her browser has is hers alone: it opens nothing for a browser that has
	// signed in as somebody else.
	s.Elsewhere()
	mallory := s.Person("mallory")
	begun := s.Form(A, "/doorward/login", "email="+mallory.Address+"&return=%2F")
	letter, err := s.Mailbox.For(s.mailbox, mallory.Address)
	if err != nil {
		t.Fatal(err)
	}
	in := s.Form(A, "/doorward/login/passcode", "passcode="+letter.Passcode(), cookiesOf(begun))
	if a := s.Form(A, "/doorward/login", "email="+alice.Address, cookiesOf(in)); a.Status != http.StatusTooManyRequests {
		t.Errorf("mallory's browser asks for alice's letter: %v, want 429", a)
	}
}
