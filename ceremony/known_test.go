package ceremony_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/integration/authenticator"
)

// known returns a browser in which users have signed in, in the same network as
// everybody else of these tests.
func (r *rig) known(users ...directory.User) ceremony.Client {
	c, marks := browser, ""
	for _, u := range users {
		marks = r.passcodes.Browsers().Add(marks, u.ID)
	}
	c.Known = r.passcodes.Browsers().Read(marks)
	return c
}

// few are budgets that are soon spent.
func few(times int64) setup {
	b := ceremony.Budget{Times: times, Per: time.Hour}
	return setup{passcode: ceremony.PasscodeOptions{Budgets: ceremony.Budgets{Letters: b, Begun: b, Tries: b, TriesFrom: b}}}
}

// initializeAs begins a ceremony in a browser.
func (r *rig) initializeAs(t testing.TB, c ceremony.Client, to ceremony.Recipient) (ceremony.Passcode, error) {
	t.Helper()
	return r.passcodes.Initialize(t.Context(), site, knownOnly, c, to)
}

// guess answers a ceremony in a browser.
func (r *rig) guess(t testing.TB, c ceremony.Client, id, code string) error {
	t.Helper()
	_, err := r.passcodes.Finalize(t.Context(), site, knownOnly, c, ceremony.Answer{ID: id, Passcode: code})
	return err
}

// Whoever knows Ann's address, and sits in her network, spends all that strangers
// have for it. Her own browser has budgets of its own.
func TestStrangersDoNotShutOutAKnownBrowser(t *testing.T) {
	ann := ceremony.Recipient{Address: "ann@example.com"}
	for _, tt := range []struct {
		name  string
		spend func(t *testing.T, r *rig) error // returns what a stranger is told then
	}{
		{"ceremonies of the network, and letters", func(t *testing.T, r *rig) error {
			for range 2 {
				if _, err := r.initializeAs(t, browser, ann); err != nil {
					t.Fatal(err)
				}
			}
			_, err := r.initializeAs(t, browser, ann)
			return err
		}},
		{"letters, from elsewhere", func(t *testing.T, r *rig) error {
			c := browser
			for i := range 3 {
				c.Network = fmt.Sprintf("198.51.100.%d", i)
				if _, err := r.initializeAs(t, c, ann); i == 2 || err != nil {
					return err
				}
			}
			return nil
		}},
		{"tries", func(t *testing.T, r *rig) error {
			begun, err := r.initializeAs(t, browser, ann)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := r.guess(t, browser, begun.ID, "x"); !errors.Is(err, ceremony.ErrWrongPasscode) {
					t.Fatalf("guess: %v, want ErrWrongPasscode", err)
				}
			}
			return r.guess(t, browser, begun.ID, "x")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, few(2))
			user := r.user(t, "ann@example.com")
			wantLimit(t, "a stranger", tt.spend(t, r), time.Hour)
			r.box.letters(t)
			c := r.known(user)
			for name, to := range map[string]ceremony.Recipient{"by address": ann, "by ID": {UserID: user.ID}} {
				begun, err := r.initializeAs(t, c, to)
				if err != nil {
					t.Fatalf("Ann's browser, %s: %v", name, err)
				}
				if err := r.guess(t, c, begun.ID, r.box.passcode(t)); err != nil {
					t.Errorf("Ann's browser, %s: %v", name, err)
				}
			}
		})
	}
}

// A browser that has used up its own is one like any other: somebody who copied its
// mark, and spent what it stands for, does not leave its owner worse off than without.
func TestKnownBrowserHasItsOwnBudgetsAndThenThoseOfStrangers(t *testing.T) {
	ann := ceremony.Recipient{Address: "ann@example.com"}
	r := newRig(t, few(2))
	user := r.user(t, "ann@example.com")
	laptop, phone := r.known(user), r.known(user)
	var ids []string
	for i := range 2 {
		begun, err := r.initializeAs(t, laptop, ann)
		if err != nil || begun.Withheld {
			t.Fatalf("ceremony %d: %+v, %v, want a letter", i+1, begun, err)
		}
		if want := (ceremony.Limit{Times: 2, Remaining: int64(1 - i), Reset: time.Hour}); begun.Limit != want {
			t.Errorf("ceremony %d: limit %+v, want %+v", i+1, begun.Limit, want)
		}
		ids = append(ids, begun.ID)
	}
	_, err := r.initializeAs(t, laptop, ann)
	wantLimit(t, "third letter of the laptop", err, time.Hour)
	for _, id := range slices.Concat(ids, ids) {
		if err := r.guess(t, laptop, id, "x"); !errors.Is(err, ceremony.ErrWrongPasscode) {
			t.Fatalf("guess: %v, want ErrWrongPasscode", err)
		}
	}
	wantLimit(t, "fifth try of the laptop", r.guess(t, laptop, ids[0], "x"), time.Hour)
	_, err = r.initializeAs(t, browser, ann)
	wantLimit(t, "a browser that is not known", err, time.Hour)
	if _, err := r.initializeAs(t, phone, ann); err != nil {
		t.Errorf("her phone: %v", err)
	}
}

// Each sign-in makes another mark: somebody who signs in all the time has no more
// letters sent for it than ten browsers have.
func TestKnownBrowsersOfOneUserHaveTenBudgetsTogether(t *testing.T) {
	r := newRig(t, few(1))
	user := r.user(t, "ann@example.com")
	for i := range 11 {
		_, err := r.initializeAs(t, r.known(user), ceremony.Recipient{Address: "ann@example.com"})
		switch {
		case i < 10 && err != nil:
			t.Fatalf("browser %d: %v", i+1, err)
		case i == 10:
			wantLimit(t, "browser 11", err, time.Hour)
		}
	}
}

// What a browser is known for helps with nothing else, and nobody else.
func TestMarkIsWorthNothingForOthers(t *testing.T) {
	r := newRig(t, few(1))
	ann, mallory := r.user(t, "ann@example.com"), r.user(t, "mallory@example.com")
	disabled, gone := r.user(t, "disabled@example.com"), r.user(t, "gone@example.com")
	invited, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "invited@example.com", Added: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.directory.SetDisabled(t.Context(), disabled.ID, true), r.directory.RemoveUser(t.Context(), gone.ID)); err != nil {
		t.Fatal(err)
	}
	adding, err := r.accounts.AddAddress(t.Context(), browser, mallory, "victim@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		c    ceremony.Client
		to   ceremony.Recipient
	}{
		{"Mallory's, for an address that she adds", r.known(mallory), ceremony.Recipient{UserID: mallory.ID, EmailID: adding.ID, Visitor: mallory.ID}},
		{"Mallory's, for Ann", r.known(mallory), ceremony.Recipient{Address: "ann@example.com"}},
		{"Mallory's, for Ann by ID", r.known(mallory), ceremony.Recipient{UserID: ann.ID}},
		{"Mallory's, for nobody", r.known(mallory), ceremony.Recipient{Address: "nobody@example.com"}},
		{"of a disabled user", r.known(disabled), ceremony.Recipient{Address: "disabled@example.com"}},
		{"of a disabled user, by ID", r.known(disabled), ceremony.Recipient{UserID: disabled.ID}},
		{"of a user who is gone", r.known(gone), ceremony.Recipient{Address: "gone@example.com"}},
		{"of a user who is gone, by ID", r.known(gone), ceremony.Recipient{UserID: gone.ID}},
		{"of a user who has not proved the address", r.known(invited), ceremony.Recipient{Address: "invited@example.com"}},
	} {
		stranger := tt.c
		stranger.Known = nil
		if _, err := r.initializeAs(t, stranger, tt.to); err != nil {
			t.Fatalf("%s: a stranger: %v", tt.name, err)
		}
		_, err := r.initializeAs(t, tt.c, tt.to)
		wantLimit(t, tt.name+": after the stranger", err, time.Hour)
		r.advance(time.Hour) // everybody has new budgets
	}
}

func TestPasskeyLoginsOfAKnownBrowserAreNotTheNetworks(t *testing.T) {
	r := newRig(t, setup{passkey: ceremony.PasskeyOptions{Begun: ceremony.Budget{Times: 2, Per: time.Hour}}})
	ann, disabled := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	if err := r.directory.SetDisabled(t.Context(), disabled.ID, true); err != nil {
		t.Fatal(err)
	}
	login := func(c ceremony.Client, named *directory.User) error {
		_, err := r.passkeys.InitializeLogin(t.Context(), site, c, named, "", ceremony.Wishes{})
		return err
	}
	for range 2 {
		if err := login(browser, nil); err != nil {
			t.Fatal(err)
		}
	}
	wantLimit(t, "a stranger", login(browser, nil), time.Hour)
	wantLimit(t, "a browser of a disabled user", login(r.known(disabled), nil), time.Hour)
	c := r.known(ann, disabled) // the latest is of no use
	for range 2 {
		if err := login(c, nil); err != nil {
			t.Errorf("Ann's browser: %v", err)
		}
	}
	wantLimit(t, "Ann's browser, for the third time", login(c, nil), time.Hour)
	bob := r.user(t, "carl@example.com")
	wantLimit(t, "another browser of hers, for somebody else", login(r.known(ann), &bob), time.Hour)
}

// Mail bombs and guesses are about passcodes: a passkey is of no use to whoever
// sends them, and works all the same.
func TestSpentBudgetsOfPasscodesDoNotTouchPasskeys(t *testing.T) {
	s := few(1)
	s.passcode.Budgets.Wrong = ceremony.Budget{Times: 1, Per: 7 * 24 * time.Hour}
	r := newRig(t, s)
	ann := r.user(t, "ann@example.com")
	a := &authenticator.Authenticator{Origin: site.Origin}
	r.register(t, a, ann)
	begun, err := r.initializeAs(t, browser, ceremony.Recipient{Address: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.guess(t, browser, begun.ID, "x"); !errors.Is(err, ceremony.ErrWrongPasscode) {
		t.Fatalf("guess: %v, want ErrWrongPasscode", err)
	}
	wantLimit(t, "another try", r.guess(t, browser, begun.ID, "x"), time.Hour)
	_, err = r.initializeAs(t, browser, ceremony.Recipient{Address: "ann@example.com"})
	wantLimit(t, "another letter", err, time.Hour)
	answer, err := a.Get(r.options(t, site, nil))
	if err != nil {
		t.Fatal(err)
	}
	if in, err := r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, answer); err != nil || in.User.ID != ann.ID {
		t.Errorf("FinalizeLogin = %v, %v; want Ann", in.User.ID, err)
	}
}

func TestMarksAreReadAsTheyWereMade(t *testing.T) {
	r := newRig(t, setup{})
	b := r.passcodes.Browsers()
	var users []directory.User
	marks := ""
	for i := range 5 {
		u := r.user(t, fmt.Sprintf("user%d@example.com", i))
		users, marks = append(users, u), b.Add(marks, u.ID)
	}
	got := b.Read(marks)
	if len(got) != 4 || got[0].UserID != users[4].ID || got[3].UserID != users[1].ID {
		t.Fatalf("Read = %+v, want the last four of %d users, the latest first", got, len(users))
	}
	again := b.Read(b.Add(marks, users[2].ID))
	if len(again) != 4 || again[0].UserID != users[2].ID || again[1] != got[0] {
		t.Errorf("after user 2 has signed in again: %+v, want them first, once", again)
	}
	if again[0].Device == got[2].Device {
		t.Error("the browser has the same name after another sign-in")
	}
	if got := b.Read(b.Remove(marks, users[4].ID)); len(got) != 3 || got[0].UserID != users[3].ID {
		t.Errorf("after Remove: %+v", got)
	}
	if got := b.Remove(b.Add("", users[0].ID), users[0].ID); got != "" {
		t.Errorf("Remove of the only one = %q, want nothing", got)
	}
	if got := (ceremony.Browsers{}).Add("", users[0].ID); got != "" {
		t.Errorf("without a key: Add = %q, want nothing", got)
	}
}

func TestMarksThatWeDidNotMakeAreNone(t *testing.T) {
	r := newRig(t, setup{})
	b := r.passcodes.Browsers()
	ann, bob := r.user(t, "ann@example.com"), r.user(t, "bob@example.com")
	mark, other := b.Add("", ann.ID), b.Add("", bob.ID)
	for i := range len(mark) {
		altered := []byte(mark)
		if altered[i] == 'A' {
			altered[i] = 'B'
		} else {
			altered[i] = 'A'
		}
		if got := b.Read(string(altered)); len(got) != 0 {
			t.Errorf("altered at %d: Read = %+v, want none", i, got)
		}
	}
	half := len(mark) / 2
	for name, marks := range map[string]string{
		"empty": "", "dots": "...", "too short": mark[1:], "too long": mark + "A", "padded": mark + "==", "of two halves": mark[:half] + other[half:],
		"Bob's user, Ann's rest": other[:22] + mark[22:], "another encoding": strings.NewReplacer("-", "+", "_", "/").Replace(mark) + " ",
		"long": strings.Repeat("A", 64<<10),
	} {
		if got := b.Read(marks); len(got) != 0 {
			t.Errorf("%s: Read = %+v, want none", name, got)
		}
	}
	if got := b.Read("x.." + mark + ".x"); len(got) != 1 || got[0].UserID != ann.ID {
		t.Errorf("among garbage: Read = %+v, want Ann", got)
	}
	if got := b.Read(strings.Repeat("x.", 4) + mark); len(got) != 0 {
		t.Errorf("behind more than we give out: Read = %+v, want none", got)
	}
}

func TestMarkIsGoodForItsLifetime(t *testing.T) {
	r := newRig(t, setup{})
	b := r.passcodes.Browsers()
	ann := r.user(t, "ann@example.com")
	mark := b.Add("", ann.ID)
	r.advance(ceremony.KnownLifetime - time.Second)
	if len(b.Read(mark)) != 1 {
		t.Error("it is not good until the end")
	}
	r.advance(time.Second)
	if len(b.Read(mark)) != 0 {
		t.Error("it is good after the end")
	}
	mark = b.Add("", ann.ID)
	r.advance(-time.Hour)
	if len(b.Read(mark)) != 0 {
		t.Error("it is good though made in the future")
	}
}

// A mark is good for as long as the secret is in use that made it.
func TestMarkFollowsTheSecrets(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	mark := r.passcodes.Browsers().Add("", ann.ID)
	const newest = "another secret of 32 bytes or so"
	for _, tt := range []struct {
		name    string
		secrets []string
		want    int
	}{
		{"both", []string{newest, rigSecret}, 1},
		{"only the new one", []string{newest}, 0},
	} {
		o := r.kept
		o.Browsers = newRing(t, tt.secrets...).MAC("known browser")
		if got := ceremony.NewPasscodes(o).Browsers().Read(mark); len(got) != tt.want {
			t.Errorf("%s: %d are known, want %d", tt.name, len(got), tt.want)
		}
	}
	o := r.kept
	o.Browsers = r.kept.MAC // of another purpose
	if got := ceremony.NewPasscodes(o).Browsers().Read(mark); len(got) != 0 {
		t.Error("the key for passcodes verifies it")
	}
}
