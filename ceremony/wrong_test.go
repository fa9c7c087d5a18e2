package ceremony_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

const week = 7 * 24 * time.Hour

// longWindow is a rig in which only the budget of wrong passcodes is soon spent.
func longWindow(t testing.TB, wrong int64) *rig {
	t.Helper()
	many := ceremony.Budget{Times: 10000, Per: time.Hour}
	return newRig(t, setup{passcode: ceremony.PasscodeOptions{Attempts: 5, Budgets: ceremony.Budgets{
		Letters: many, Begun: many, Tries: many, TriesFrom: many, Wrong: ceremony.Budget{Times: wrong, Per: week},
	}}})
}

// spendWrong answers wrongly n times, each a ceremony of its own, in a browser, and
// returns the reports of guessing that were among the answers.
func (r *rig) spendWrong(t testing.TB, c ceremony.Client, address string, n int) (reports []*ceremony.GuessingError) {
	t.Helper()
	for i := range n {
		begun, err := r.initializeAs(t, c, ceremony.Recipient{Address: address})
		if err != nil {
			t.Fatal(err)
		}
		err = r.guess(t, c, begun.ID, "x")
		if !errors.Is(err, ceremony.ErrWrongPasscode) {
			t.Fatalf("guess %d: %v, want ErrWrongPasscode", i+1, err)
		}
		var guessing *ceremony.GuessingError
		if errors.As(err, &guessing) {
			reports = append(reports, guessing)
		}
	}
	r.box.letters(t)
	return reports
}

// right asks for a passcode in a browser and answers with it.
func (r *rig) right(t testing.TB, c ceremony.Client, address string) error {
	t.Helper()
	begun, err := r.initializeAs(t, c, ceremony.Recipient{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return r.guess(t, c, begun.ID, r.box.passcode(t))
}

// Twenty guesses an hour are a passcode in a year or two, for whoever is patient:
// of those in a row that are wrong, a hundred are looked at in a week (NIST SP
// 800-63B, section 5.2.2).
func TestSpentBudgetOfWrongPasscodesMakesRightOnesWrong(t *testing.T) {
	r := longWindow(t, 4)
	r.advance(24 * time.Hour) // 2026-03-02: a window of seven days ends on Thursday, 2026-03-05
	ann := r.user(t, "ann@example.com")
	if reports := r.spendWrong(t, browser, "ann@example.com", 3); len(reports) != 0 {
		t.Errorf("%d reports of guessing before the budget is spent", len(reports))
	}
	reports := r.spendWrong(t, browser, "ann@example.com", 3)
	if len(reports) != 1 || reports[0].UserID != ann.ID || reports[0].Known {
		t.Errorf("reports of guessing: %+v, want one about Ann", reports)
	}
	elsewhere := browser
	elsewhere.Network = "198.51.100.1"
	if err := r.right(t, elsewhere, "ann@example.com"); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Errorf("the right passcode: %v, want ErrWrongPasscode", err)
	}
	r.advance(6 * time.Hour)
	if err := r.right(t, browser, "ann@example.com"); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Errorf("the right passcode, hours later: %v, want ErrWrongPasscode", err)
	}
	r.advance(week)
	if err := r.right(t, browser, "ann@example.com"); err != nil {
		t.Errorf("in the next window: %v", err)
	}
}

// Whoever has no account yet has no passkey and no known browser: a stranger who
// guesses in their name does not keep them from signing up for a week.
func TestWrongPasscodesForNobodyAreForgottenWithinTheHour(t *testing.T) {
	r := longWindow(t, 4)
	if reports := r.spendWrong(t, browser, "nobody@example.com", 6); len(reports) > 0 {
		t.Errorf("reports of guessing at no account: %+v, want none", reports)
	}
	r.clock.advance(time.Hour)
	begun, err := r.passcodes.Initialize(t.Context(), site, wideOpen, browser, ceremony.Recipient{Address: "nobody@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	in, err := r.passcodes.Finalize(t.Context(), site, wideOpen, browser, ceremony.Answer{ID: begun.ID, Passcode: r.box.passcode(t)})
	if err != nil || !in.Created {
		t.Errorf("signing up an hour later: %+v, %v", in, err)
	}
}

func TestBudgetOfWrongPasscodesIsTheAccountsByAllItsAddresses(t *testing.T) {
	r := longWindow(t, 4)
	ann := r.user(t, "ann@example.com")
	if _, err := r.directory.AddEmail(t.Context(), ann.ID, directory.NewEmail{Address: "ann@example.org", Verified: true}, 5); err != nil {
		t.Fatal(err)
	}
	r.spendWrong(t, browser, "ann@example.com", 2)
	if reports := r.spendWrong(t, browser, "ann@example.org", 2); len(reports) != 1 {
		t.Errorf("%d reports of guessing, want one", len(reports))
	}
	for _, address := range []string{"ann@example.com", "ann@example.org"} {
		if err := r.right(t, browser, address); !errors.Is(err, ceremony.ErrWrongPasscode) {
			t.Errorf("%s: %v, want ErrWrongPasscode", address, err)
		}
	}
	r.user(t, "bob@example.com")
	if err := r.right(t, browser, "bob@example.com"); err != nil {
		t.Errorf("another account: %v", err)
	}
}

func TestSpentBudgetOfWrongPasscodesLetsKnownBrowsersIn(t *testing.T) {
	r := longWindow(t, 3)
	ann, eve := r.user(t, "ann@example.com"), r.user(t, "eve@example.com")
	r.spendWrong(t, browser, "ann@example.com", 3)
	if err := r.right(t, r.known(eve), "ann@example.com"); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Errorf("a browser known to Eve: %v, want ErrWrongPasscode", err)
	}
	laptop, copied := r.known(ann), r.known(ann)
	// What somebody copied from one of her browsers is good for as many guesses, and
	// then for none.
	reports := r.spendWrong(t, copied, "ann@example.com", 3)
	if len(reports) != 1 || !reports[0].Known || reports[0].UserID != ann.ID {
		t.Errorf("reports of guessing in a known browser: %+v, want one about Ann", reports)
	}
	if err := r.right(t, copied, "ann@example.com"); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Errorf("a guess more: %v, want ErrWrongPasscode, as for any stranger", err)
	}
	if err := r.right(t, laptop, "ann@example.com"); err != nil {
		t.Errorf("her other browser: %v", err)
	}
}

// A success of the owner, or an operator whom they ask, begins the count anew.
func TestBudgetOfWrongPasscodesIsWholeAgainAfter(t *testing.T) {
	for name, refill := range map[string]func(r *rig, t *testing.T, ann directory.User) error{
		"a sign-in": func(r *rig, t *testing.T, ann directory.User) error {
			return r.passcodes.Proved(t.Context(), browser, ann)
		},
		"an operator": func(r *rig, t *testing.T, ann directory.User) error { return r.passcodes.Unlock(t.Context(), ann) },
	} {
		t.Run(name, func(t *testing.T) {
			r := longWindow(t, 3)
			r.user(t, "bob@example.com")
			ann := r.user(t, "ann@example.com")
			for range 2 {
				for _, address := range []string{"ann@example.com", "bob@example.com"} {
					if reports := r.spendWrong(t, browser, address, 3); len(reports) != 1 && address == "ann@example.com" {
						t.Errorf("%d reports of guessing, want one for each time that the budget is spent", len(reports))
					}
				}
				if err := refill(r, t, ann); err != nil {
					t.Fatal(err)
				}
				if err := r.right(t, browser, "ann@example.com"); err != nil {
					t.Errorf("the right passcode: %v", err)
				}
				if err := r.right(t, browser, "bob@example.com"); !errors.Is(err, ceremony.ErrWrongPasscode) {
					t.Errorf("Bob: %v, want ErrWrongPasscode", err)
				}
				if err := refill(r, t, ann); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestOperatorUnlocksLettersAndTries(t *testing.T) {
	s := few(1)
	s.passcode.Budgets.Begun = ceremony.Budget{Times: 100, Per: time.Hour}
	s.passcode.Budgets.TriesFrom = ceremony.Budget{Times: 100, Per: time.Hour}
	r := newRig(t, s)
	ann := r.user(t, "ann@example.com")
	for name, to := range map[string]ceremony.Recipient{"by address": {Address: "ann@example.com"}, "by ID": {UserID: ann.ID}} {
		begun, err := r.initializeAs(t, browser, to)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := r.guess(t, browser, begun.ID, "x"); !errors.Is(err, ceremony.ErrWrongPasscode) {
			t.Fatalf("%s: guess: %v, want ErrWrongPasscode", name, err)
		}
		wantLimit(t, name+": try", r.guess(t, browser, begun.ID, "x"), time.Hour)
		_, err = r.initializeAs(t, browser, to)
		wantLimit(t, name+": letter", err, time.Hour)
		if err := r.passcodes.Unlock(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
		if err := r.guess(t, browser, begun.ID, "x"); !errors.Is(err, ceremony.ErrTooManyAttempts) {
			t.Errorf("%s: a try after Unlock: %v, want ErrTooManyAttempts", name, err)
		}
		if _, err := r.initializeAs(t, browser, to); err != nil {
			t.Errorf("%s: a letter after Unlock: %v", name, err)
		}
		if err := r.passcodes.Unlock(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
	}
}

// Answers that arrive together could all read the same count, and all be looked at.
func TestConcurrentAnswersDoNotShareTheLastOfTheBudget(t *testing.T) {
	const parallel = 20
	r := longWindow(t, 4)
	r.user(t, "ann@example.com")
	ids, codes := make([]string, parallel), make([]string, parallel)
	for i := range parallel {
		ids[i], codes[i] = r.begin(t, "ann@example.com")
	}
	r.spendWrong(t, browser, "ann@example.com", 3)
	errs := make([]error, parallel)
	var all sync.WaitGroup
	for i := range parallel {
		all.Go(func() { errs[i] = r.guess(t, browser, ids[i], codes[i]) })
	}
	all.Wait()
	looked := 0
	for i, err := range errs {
		switch {
		case err == nil:
			looked++
		case !errors.Is(err, ceremony.ErrWrongPasscode):
			t.Errorf("answer %d: %v, want ErrWrongPasscode", i, err)
		}
	}
	// Two that are counted for the address and for its owner in turns spend it between
	// them, and neither is looked at.
	if looked > 1 {
		t.Errorf("%d right passcodes were looked at, want no more than the one that was left", looked)
	}
}

func TestNoPasscodeIsNoAttempt(t *testing.T) {
	r := longWindow(t, 1)
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	for i := range 20 {
		if err := r.guess(t, browser, id, []string{"", " ", "-", "\u00a0\t"}[i%4]); !errors.Is(err, ceremony.ErrMalformed) {
			t.Fatalf("no passcode: %v, want ErrMalformed", err)
		}
	}
	if err := r.guess(t, browser, id, code); err != nil {
		t.Errorf("the right passcode then: %v", err)
	}
}

// A budget that cannot be counted is not there: nothing is begun, nothing is
// looked at, and nobody is told that it was theirs.
func TestBudgetsFailClosed(t *testing.T) {
	r := newRig(t, setup{account: ceremony.AccountOptions{Lookup: true}})
	ann := r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []ceremony.Client{browser, r.known(ann)} {
		for name, do := range map[string]func() error{
			"a letter": func() error {
				_, err := r.initializeAs(t, c, ceremony.Recipient{Address: "ann@example.com"})
				return err
			},
			"an answer": func() error { return r.guess(t, c, id, code) },
			"a look-up": func() error {
				_, _, err := r.accounts.Lookup(t.Context(), site, c, "ann@example.com")
				return err
			},
			"a sign-up": func() error {
				_, _, err := r.accounts.SignUp(t.Context(), wideOpen, c, "new@example.com")
				return err
			},
			"a new address": func() error { _, err := r.accounts.AddAddress(t.Context(), c, ann, "ann@example.org"); return err },
			"a passkey login": func() error {
				_, err := r.passkeys.InitializeLogin(t.Context(), site, c, nil, "", ceremony.Wishes{})
				return err
			},
			"a login again": func() error {
				_, err := r.passkeys.InitializeLogin(t.Context(), site, c, &ann, ann.ID, ceremony.Wishes{})
				return err
			},
			"a passkey": func() error {
				_, err := r.passkeys.InitializeRegistration(t.Context(), site, c, ann, ceremony.Wishes{})
				return err
			},
			"Proved":             func() error { return r.passcodes.Proved(t.Context(), c, ann) },
			"Unlock":             func() error { return r.passcodes.Unlock(t.Context(), ann) },
			"Forget, passcodes":  func() error { return r.passcodes.Forget(t.Context(), ann.ID) },
			"Forget, passkeys":   func() error { return r.passkeys.Forget(t.Context(), ann.ID) },
			"Forget, the others": func() error { return r.accounts.Forget(t.Context(), ann.ID) },
		} {
			wantFailure(t, fmt.Sprintf("%s, known: %v", name, c.Known != nil), do())
		}
	}
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("%d letters went out", len(letters))
	}
}
