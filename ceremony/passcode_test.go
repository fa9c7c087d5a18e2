package ceremony_test

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

func TestPasscodeSignsInWhoWasSentIt(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	begun, err := r.passcodes.Initialize(t.Context(), site, knownOnly, browser, ceremony.Recipient{Address: "Ann@Example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if begun.Address != "ann@example.com" || begun.Lifetime != 5*time.Minute || !begun.CreatedAt.Equal(r.now()) {
		t.Errorf("Initialize = %+v, want the canonical address, 5 minutes and now", begun)
	}
	letters := r.box.letters(t)
	if len(letters) != 1 || letters[0].To != "ann@example.com" {
		t.Fatalf("letters = %v, want one to ann@example.com", letters)
	}
	code := codePattern.FindString(letters[0].Subject)
	if len(code) != 6 {
		t.Fatalf("passcode %q has %d digits, want 6", code, len(code))
	}
	in, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: begun.ID, Passcode: code})
	if err != nil {
		t.Fatal(err)
	}
	if in.User.ID != ann.ID || in.Created || len(in.Methods) != 1 || in.Methods[0] != "otp" {
		t.Errorf("signed in %s by %v (created: %v), want %s by otp", in.User.ID, in.Methods, in.Created, ann.ID)
	}
}

func TestPasscodeIsUsedOnce(t *testing.T) {
	// Every one of them may try and has the budget: what they compete for is the
	// passcode itself.
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{
		Attempts: 1000, Budgets: ceremony.Budgets{Tries: ceremony.Budget{Times: 1000, Per: time.Hour}},
	}})
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	wantOneWinner(t, 100, ceremony.ErrPasscodeGone, func() error {
		_, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code})
		return err
	})
}

func TestPasscodeIsReadAsPeopleTypeIt(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{
		Letters: ceremony.Budget{Times: 100, Per: time.Hour}, Tries: ceremony.Budget{Times: 100, Per: time.Hour},
	}}})
	r.user(t, "ann@example.com")
	wide := func(code string) string {
		var s []rune
		for _, c := range code {
			s = append(s, c-'0'+'０')
		}
		return string(s)
	}
	tests := []struct {
		name  string
		typed func(code string) string
		want  error
	}{
		{"as it is", func(c string) string { return c }, nil},
		{"in two groups", func(c string) string { return c[:3] + " " + c[3:] }, nil},
		{"with a hyphen", func(c string) string { return c[:3] + "-" + c[3:] }, nil},
		{"with a space that does not break", func(c string) string { return c[:3] + "\u00a0" + c[3:] }, nil},
		{"pasted with space around", func(c string) string { return " " + c + "\t" }, nil},
		{"in full-width digits", wide, ceremony.ErrWrongPasscode},
		{"with a letter more", func(c string) string { return c + "x" }, ceremony.ErrWrongPasscode},
		{"with a digit more", func(c string) string { return c + "0" }, ceremony.ErrWrongPasscode},
		{"with a digit less", func(c string) string { return c[:5] }, ceremony.ErrWrongPasscode},
		{"with a zero byte behind", func(c string) string { return c + "\x00" }, ceremony.ErrWrongPasscode},
		{"nothing but space", func(string) string { return " \t-" }, ceremony.ErrMalformed},
		{"empty", func(string) string { return "" }, ceremony.ErrMalformed},
	}
	for _, tt := range tests {
		id, code := r.begin(t, "ann@example.com")
		if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: tt.typed(code)}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestPasscodeIsGoodForItsLifetime(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration
		right bool
		want  error
	}{
		{"at the last moment", 5*time.Minute - time.Nanosecond, true, nil},
		{"a moment too late", 5 * time.Minute, true, ceremony.ErrPasscodeExpired},
		{"too late and wrong", 5 * time.Minute, false, ceremony.ErrPasscodeExpired},
		{"when nothing is known of it any more", 10 * time.Minute, true, ceremony.ErrPasscodeGone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.user(t, "ann@example.com")
			id, code := r.begin(t, "ann@example.com")
			if !tt.right {
				code = other(code)
			}
			r.advance(tt.after)
			if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code}); !errors.Is(err, tt.want) {
				t.Errorf("Finalize = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPasscodeBelongsToItsCeremony(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	r.user(t, "bob@example.com")
	ofAnn, annsCode := r.begin(t, "ann@example.com")
	ofBob, bobsCode := r.begin(t, "bob@example.com")
	if annsCode == bobsCode {
		t.Skip("one in a million: both passcodes are the same")
	}
	if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: ofAnn, Passcode: bobsCode}); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Errorf("Bob's passcode in Ann's ceremony: %v, want ErrWrongPasscode", err)
	}
	again, newCode := r.begin(t, "ann@example.com")
	if newCode != annsCode {
		if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: again, Passcode: annsCode}); !errors.Is(err, ceremony.ErrWrongPasscode) {
			t.Errorf("the passcode before in the same person's next ceremony: %v, want ErrWrongPasscode", err)
		}
	}
	if in, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: ofBob, Passcode: bobsCode}); err != nil || in.User.Emails[0].Address != "bob@example.com" {
		t.Errorf("Bob's own: %v, %v; want Bob", in.User.Emails, err)
	}
}

func TestPasscodeBelongsToTheBrowserThatAskedForIt(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	for _, binding := range []string{"browser-2", ""} {
		another := browser
		another.Binding = binding
		if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, another, ceremony.Answer{ID: id, Passcode: code}); !errors.Is(err, ceremony.ErrPasscodeGone) {
			t.Errorf("right passcode from a browser with the binding %q: %v, want ErrPasscodeGone", binding, err)
		}
		if address, err := r.passcodes.Address(t.Context(), another, id); !errors.Is(err, ceremony.ErrPasscodeGone) || address != "" {
			t.Errorf("address told to a browser with the binding %q: %q, %v; want ErrPasscodeGone", binding, address, err)
		}
	}
	if address, err := r.passcodes.Address(t.Context(), browser, id); err != nil || address != "ann@example.com" {
		t.Errorf("Address = %q, %v; want ann@example.com", address, err)
	}
	if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code}); err != nil {
		t.Errorf("the browser that asked: %v", err)
	}
}

// A program has no cookies: it holds the ceremony's ID, which nobody can guess.
func TestPasscodeWithoutABindingIsFinishedByWhoHoldsItsID(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	program := ceremony.Client{Network: "192.0.2.7"}
	begun, err := r.passcodes.Initialize(t.Context(), site, knownOnly, program, ceremony.Recipient{Address: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.passcodes.Address(t.Context(), program, begun.ID); !errors.Is(err, ceremony.ErrPasscodeGone) {
		t.Errorf("Address of a ceremony that no browser began: %v, want ErrPasscodeGone", err)
	}
	if _, err := r.passcodes.Finalize(t.Context(), site, knownOnly, program, ceremony.Answer{ID: begun.ID, Passcode: r.box.passcode(t)}); err != nil {
		t.Errorf("Finalize = %v", err)
	}
}

func TestPasscodeProvesTheAddress(t *testing.T) {
	r := newRig(t, setup{})
	ann, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "ann@example.com", Added: true})
	if err != nil {
		t.Fatal(err)
	}
	id, code := r.begin(t, "ann@example.com")
	in, err := r.passcodes.Finalize(t.Context(), site, knownOnly, browser, ceremony.Answer{ID: id, Passcode: code})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := r.directory.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !in.User.Emails[0].Verified || !kept.Emails[0].Verified {
		t.Errorf("verified: %v in the sign-in, %v in the directory; want both", in.User.Emails[0].Verified, kept.Emails[0].Verified)
	}
}
