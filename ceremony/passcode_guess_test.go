package ceremony_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/store"
)

func TestGuessesEndAPasscodeInThisOrder(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	for i, want := range []error{
		ceremony.ErrWrongPasscode, ceremony.ErrWrongPasscode, ceremony.ErrTooManyAttempts, ceremony.ErrPasscodeGone,
	} {
		if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: other(code)}); !errors.Is(err, want) {
			t.Errorf("guess %d: %v, want %v", i+1, err, want)
		}
	}
	if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code}); !errors.Is(err, ceremony.ErrPasscodeGone) {
		t.Errorf("the right passcode after three wrong ones: %v, want ErrPasscodeGone", err)
	}
}

func TestTheLastAttemptMayBeTheRightOne(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	for range 2 {
		_, _ = r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: other(code)})
	}
	if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code}); err != nil {
		t.Errorf("third attempt, right: %v", err)
	}
}

// Guesses that arrive together could all read the same count of attempts, and
// all be looked at (vaultwarden, and every check-then-increment).
func TestConcurrentGuessesDoNotShareAttempts(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	const guesses = 1000
	errs := make([]error, guesses)
	var all sync.WaitGroup
	for i := range guesses {
		guess := fmt.Sprintf("%06d", i*999) // all different
		if guess == code {
			guess = other(code)
		}
		all.Go(func() {
			_, errs[i] = r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: guess})
		})
	}
	all.Wait()
	var wrong, tooMany, gone int
	for _, err := range errs {
		switch {
		case errors.Is(err, ceremony.ErrWrongPasscode):
			wrong++
		case errors.Is(err, ceremony.ErrTooManyAttempts):
			tooMany++
		case errors.Is(err, ceremony.ErrPasscodeGone):
			gone++
		default:
			t.Errorf("guess: %v", err)
		}
	}
	if wrong != 2 || tooMany != 1 || gone != guesses-3 {
		t.Errorf("wrong %d, too many %d, gone %d; want 2, 1, %d: only three guesses may be compared", wrong, tooMany, gone, guesses-3)
	}
}

// Whoever makes up IDs must not fill the store, nor make it write.
func TestGuessedCeremonyLeavesNothingInTheStore(t *testing.T) {
	r := newRig(t, setup{})
	for _, id := range []string{uuid.NewString(), "", "1", "../passcode", uuid.NewString() + "/attempts"} {
		if _, err := r.passcodes.Finalize(t.Context(), site, wideOpen, browser, ceremony.Answer{ID: id, Passcode: "123456"}); !errors.Is(err, ceremony.ErrPasscodeGone) {
			t.Errorf("Finalize(%q) = %v, want ErrPasscodeGone", id, err)
		}
		n, err := r.store.Count(t.Context(), "passcode/"+id+"/attempts", time.Minute)
		if err != nil || n != 1 {
			t.Errorf("attempts at %q counted before: %d, %v; want none", id, n-1, err)
		}
	}
}

// wantLimit reports an error that is not a spent budget that is full again
// after want.
func wantLimit(t *testing.T, what string, err error, want time.Duration) {
	t.Helper()
	var limit *ceremony.LimitError
	if !errors.As(err, &limit) {
		t.Errorf("%s: %v, want a LimitError", what, err)
	} else if limit.RetryAfter != want {
		t.Errorf("%s: retry after %v, want %v", what, limit.RetryAfter, want)
	}
}

func TestLettersToOneAddressAreLimited(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Letters: ceremony.Budget{Times: 2, Per: time.Hour}}}})
	r.user(t, "ann@example.com")
	r.advance(20 * time.Minute) // into the hour
	ask := func(address string, network int) error {
		c := browser
		c.Network = fmt.Sprintf("192.0.2.%d", network)
		_, err := r.passcodes.Initialize(t.Context(), site, knownOnly, c, ceremony.Recipient{Address: address})
		return err
	}
	// Known and unknown addresses meet the same limit: it tells nothing.
	for _, address := range []string{"ann@example.com", "nobody@example.com"} {
		for i := range 2 {
			if err := ask(address, i); err != nil {
				t.Fatalf("letter %d to %s: %v", i+1, address, err)
			}
		}
		wantLimit(t, "third letter to "+address+", asked for from another network", ask(address, 9), 40*time.Minute)
	}
	wantLimit(t, "the same address in capitals", ask("ANN@example.com", 10), 40*time.Minute)
	if err := ask("bob@example.com", 1); err != nil {
		t.Errorf("another address: %v", err)
	}
	if got := len(r.box.letters(t)); got != 2 {
		t.Errorf("%d letters went out, want the 2 that the budget allows", got)
	}
	r.advance(40 * time.Minute)
	if err := ask("ann@example.com", 1); err != nil {
		t.Errorf("in the next hour: %v", err)
	}
}

func TestOneNetworkBeginsALimitedNumberOfCeremonies(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Begun: ceremony.Budget{Times: 3, Per: time.Hour}}}})
	ask := func(i int, network string) error {
		c := browser
		c.Network, c.Binding = network, fmt.Sprint(i)
		_, err := r.passcodes.Initialize(t.Context(), site, wideOpen, c, ceremony.Recipient{Address: fmt.Sprintf("user%d@example.com", i)})
		return err
	}
	for i := range 3 {
		if err := ask(i, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	wantLimit(t, "fourth ceremony of a network", ask(4, "192.0.2.1"), time.Hour)
	if err := ask(5, "192.0.2.2"); err != nil {
		t.Errorf("another network: %v", err)
	}
}

func TestBeginningAgainGivesNoMoreTries(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Tries: ceremony.Budget{Times: 4, Per: time.Hour}}}})
	r.user(t, "ann@example.com")
	r.user(t, "bob@example.com")
	for range 2 {
		id, code := r.begin(t, "ann@example.com")
		for range 2 {
			if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: other(code)}); !errors.Is(err, ceremony.ErrWrongPasscode) {
				t.Fatalf("guess: %v, want ErrWrongPasscode", err)
			}
		}
	}
	id, code := r.begin(t, "ann@example.com")
	elsewhere := browser
	elsewhere.Network = "198.51.100.1"
	_, err := r.passcodes.Finalize(t.Context(), site, knownOnly, elsewhere, ceremony.Answer{ID: id, Passcode: code})
	wantLimit(t, "fifth try for the address, right and from elsewhere", err, time.Hour)
	id, code = r.begin(t, "bob@example.com")
	if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code}); err != nil {
		t.Errorf("another address: %v", err)
	}
}

// One passcode tried on many addresses hits one of them sooner or later.
func TestGuessesAtManyAddressesMeetAWall(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{TriesFrom: ceremony.Budget{Times: 5, Per: time.Hour}}}})
	try := func(i int, network string) error {
		id, code := r.begin(t, fmt.Sprintf("user%d@example.com", i))
		c := browser
		c.Network = network
		_, err := r.passcodes.Finalize(t.Context(), site, wideOpen, c, ceremony.Answer{ID: id, Passcode: other(code)})
		return err
	}
	for i := range 5 {
		if err := try(i, "192.0.2.66"); !errors.Is(err, ceremony.ErrWrongPasscode) {
			t.Fatalf("guess %d: %v, want ErrWrongPasscode", i+1, err)
		}
	}
	wantLimit(t, "sixth guess from a network", try(6, "192.0.2.66"), time.Hour)
	if err := try(7, "192.0.2.67"); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Errorf("another network: %v, want ErrWrongPasscode", err)
	}
}

func TestPasscodeIsNotGuessedFromTheStore(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	value, err := r.store.Get(t.Context(), "passcode/"+id)
	if err != nil {
		t.Fatal(err)
	}
	for name, shown := range showings(id, code, browser.Binding) {
		if containsAny(value, shown) {
			t.Errorf("the stored value shows %s", name)
		}
	}
	if _, err := r.store.Get(t.Context(), "passcode/"+code); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the passcode is a key of the store: %v", err)
	}
}
