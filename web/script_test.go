package web

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// What the visitor clicks and reads, and what their browser is like.
const (
	noAutofill = `PublicKeyCredential.isConditionalMediationAvailable = async () => false;`
	// Autofill that waits for a choice, as it does with people, and will not
	// have a second request beside it.
	waitingAutofill = `PublicKeyCredential.isConditionalMediationAvailable = async () => true;
		const get = navigator.credentials.get.bind(navigator.credentials);
		let waiting = false;
		navigator.credentials.get = (request) => {
			if (waiting) return Promise.reject(new DOMException("a request is pending", "OperationError"));
			if (request.mediation !== "conditional") return get(request);
			return new Promise((_, reject) => {
				request.signal.throwIfAborted();
				waiting = true;
				request.signal.addEventListener("abort", () => { waiting = false; reject(request.signal.reason); });
			});
		};`
	spySignals = `window.signals = [];
		for (const name of ["signalUnknownCredential", "signalAllAcceptedCredentials", "signalCurrentUserDetails"])
			PublicKeyCredential[name] = async (details) => { signals.push([name, details]); };`
	oldBrowser = `delete PublicKeyCredential.parseRequestOptionsFromJSON;
		delete PublicKeyCredential.parseCreationOptionsFromJSON;
		delete PublicKeyCredential.prototype.toJSON;`

	signInButton = chromedp.CSS("#passkey-sign-in button")
	addButton    = chromedp.CSS("#passkey-add button")
	signInAlert  = `document.querySelector("#passkey-sign-in [role=alert]")?.textContent ?? ""`
	addAlert     = `document.querySelector("#passkey-add [role=alert]")?.textContent ?? ""`
	here         = `location.pathname + location.search`
)

func says(t *testing.T, p Problem) string {
	t.Helper()
	l, err := loadLanguages()
	if err != nil {
		t.Fatal(err)
	}
	return l.catalogues[0].texts["problem."+string(p)]
}

func TestScript(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser")
	}
	browser := startBrowser(t)
	run := func(name, before string, play func(t *testing.T, v *visitor)) {
		t.Run(name, func(t *testing.T) { play(t, newVisitor(t, browser, before)) })
	}

	for name, before := range map[string]string{
		"A passkey is added and signs in with a click":                           noAutofill,
		"A passkey is added and signs in in a browser that lacks toJSON":         noAutofill + oldBrowser,
		"A passkey is added and signs in with a click while autofill is waiting": waitingAutofill,
	} {
		run(name, before, func(t *testing.T, v *visitor) {
			v.addsPasskey()
			added := v.last()
			if added.ID == "" || added.RawID != added.ID || added.Type != "public-key" || added.Response.AttestationObject == "" {
				t.Errorf("got registration %+v, want one with an attestation", added)
			}
			v.sees(LoginPage{Return: "/reports?c=3", Passkeys: true})
			v.do(chromedp.Click(signInButton))
			v.until(here, "/reports?c=3")
			used := v.last()
			if used.ID != added.ID || used.Response.Signature == "" || used.Response.AuthenticatorData == "" || used.Response.UserHandle != "dXNlcjE" {
				t.Errorf("got assertion %+v, want one of passkey %s", used, added.ID)
			}
			clientData, err := base64.RawURLEncoding.DecodeString(used.Response.ClientDataJSON)
			if err != nil {
				t.Fatal(err)
			}
			challenge := base64.RawURLEncoding.EncodeToString([]byte("challenge 2"))
			if !strings.Contains(string(clientData), challenge) {
				t.Errorf("got client data %s, want challenge %s in it", clientData, challenge)
			}
			if got := v.challenges(); got != 2 {
				t.Errorf("got %d challenges, want one for each page", got)
			}
		})
	}

	run("A passkey signs in from the autofill of the address field", "", func(t *testing.T, v *visitor) {
		v.addsPasskey()
		// The virtual authenticator picks from the list without being asked.
		v.sees(LoginPage{Return: "/reports?c=3", Passkeys: true})
		v.until(here, "/reports?c=3")
		if got := v.last().Response.Signature; got == "" {
			t.Errorf("got no signature")
		}
	})

	run("A passkey the server does not know is told to the browser", noAutofill+spySignals, func(t *testing.T, v *visitor) {
		v.addsPasskey()
		v.refuse(http.StatusUnauthorized, "/finalize", "unknown_passkey")
		v.sees(LoginPage{Return: "/", Passkeys: true})
		v.do(chromedp.Click(signInButton))
		v.until(signInAlert, says(t, PasskeyUnknown))
		want := `[["signalUnknownCredential",{"rpId":"localhost","credentialId":"` + v.last().ID + `"}]]`
		if got := evaluate[string](v, `JSON.stringify(signals)`); got != want {
			t.Errorf("got signals %s, want %s", got, want)
		}
		// The challenge is spent: the next attempt has a new one.
		v.refuse(0, "", "")
		v.do(chromedp.Click(signInButton))
		v.until(here, "/")
		if got := v.challenges(); got != 3 {
			t.Errorf("got %d challenges, want 3: one to add, two to sign in", got)
		}
	})

	run("Refusals are told in words of the page and asked for once", noAutofill, func(t *testing.T, v *visitor) {
		v.addsPasskey()
		for _, c := range []struct {
			status int
			at     string
			slug   string
			want   Problem
		}{
			{http.StatusTooManyRequests, "/finalize", "too_many_attempts", TryAgainLater},
			{http.StatusServiceUnavailable, "/finalize", "store_away", StoreAway},
			{http.StatusServiceUnavailable, "/initialize", "store_away", StoreAway},
			{http.StatusUnprocessableEntity, "/finalize", "", PasskeyFailed},
		} {
			v.refuse(c.status, c.at, c.slug)
			v.sees(LoginPage{Return: "/", Passkeys: true})
			v.do(chromedp.Click(signInButton))
			v.until(signInAlert, says(t, c.want))
			v.until(`document.querySelector("#passkey-sign-in button").getAttribute("aria-busy")`, "false")
		}
	})

	run("A server that refuses options is not asked in a circle", "", func(t *testing.T, v *visitor) {
		var asked int
		v.d.mu.Lock()
		v.d.refuse = func(string) (int, string) { asked++; return http.StatusTooManyRequests, "too_many_attempts" }
		v.d.mu.Unlock()
		v.sees(LoginPage{Return: "/", Passkeys: true})
		v.do(chromedp.Click(signInButton))
		v.until(signInAlert, says(t, TryAgainLater))
		v.do(chromedp.Click(signInButton)) // which gives a circle the time to turn
		v.until(signInAlert, says(t, TryAgainLater))
		v.d.mu.Lock()
		defer v.d.mu.Unlock()
		if asked > 6 {
			t.Errorf("got asked %d times, want once for the page and twice for each click at most", asked)
		}
	})

	for name, before := range map[string]string{
		"Who has no passkey gets a gentle sentence":                           noAutofill,
		"Who has no passkey gets a gentle sentence where autofill is waiting": waitingAutofill,
	} {
		run(name, before, func(t *testing.T, v *visitor) {
			v.sees(LoginPage{Return: "/", Passkeys: true})
			for n := 1; n <= 2; n++ {
				v.do(chromedp.Click(signInButton))
				v.until(signInAlert, says(t, PasskeyCancelled))
				// The next attempt has options of its own, ready before the click.
				for deadline := time.Now().Add(15 * time.Second); v.challenges() != n+1; time.Sleep(20 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("got %d challenges, want %d", v.challenges(), n+1)
					}
				}
			}
		})
	}

	const quickTimers = `const later = setTimeout; setTimeout = (f, ms) => later(f, ms / 1000);`
	run("Options are renewed before they expire", waitingAutofill+quickTimers, func(t *testing.T, v *visitor) {
		v.addsPasskey()
		before := v.challenges()
		v.sees(LoginPage{Return: "/", Passkeys: true})
		for deadline := time.Now().Add(15 * time.Second); v.challenges() < before+3; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("got %d challenges, want 3", v.challenges()-before)
			}
		}
		v.do(chromedp.Click(signInButton))
		v.until(here, "/")
	})

	run("A second passkey on one device is not made", noAutofill, func(t *testing.T, v *visitor) {
		v.addsPasskey()
		v.sees(AccountPage{Email: "ann@example.com", Fresh: true})
		v.do(chromedp.Click(addButton))
		v.until(addAlert, says(t, PasskeyExists))
	})

	run("The account page comes back with a notice", noAutofill, func(t *testing.T, v *visitor) {
		v.sees(AccountPage{Email: "ann@example.com", Fresh: true})
		v.do(chromedp.Click(addButton))
		v.until(here, "/doorward/account?done=passkey_added")
	})

	run("A sign-in that is no longer fresh leads to a fresh one", noAutofill, func(t *testing.T, v *visitor) {
		v.refuse(http.StatusForbidden, "/initialize", "fresh_sign_in_required")
		v.sees(AccountPage{Email: "ann@example.com", Fresh: true})
		v.do(chromedp.Click(addButton))
		v.until(here, "/doorward/login?fresh=1&return=%2Fdoorward%2Faccount")
	})

	run("The browser hears which passkeys the account has", spySignals, func(t *testing.T, v *visitor) {
		v.sees(samples()["account"])
		v.until(`JSON.stringify(signals)`, `[["signalAllAcceptedCredentials",{"rpId":"example.com","userId":"dXNlcjE","allAcceptedCredentialIds":["cGFzc2tleTE","cGFzc2tleTI"]}],`+
			`["signalCurrentUserDetails",{"rpId":"example.com","userId":"dXNlcjE","name":"ann@example.com","displayName":"Ann Example"}]]`)
	})

	run("The browser hears that a deleted account has none", spySignals, func(t *testing.T, v *visitor) {
		v.sees(samples()["deleted"])
		v.until(`JSON.stringify(signals)`, `[["signalAllAcceptedCredentials",{"rpId":"example.com","userId":"dXNlcjE","allAcceptedCredentialIds":[]}]]`)
	})

	run("The address form says whether passkeys can be made", "", func(t *testing.T, v *visitor) {
		v.sees(LoginPage{Return: "/"})
		v.until(`document.querySelector("[name=passkeys]").value`, "1")
	})

	run("A browser without WebAuthn shows no dead button", `delete window.PublicKeyCredential;`, func(t *testing.T, v *visitor) {
		for _, page := range []Page{LoginPage{Passkeys: true}, OfferPage{}, AccountPage{Fresh: true}} {
			v.sees(page)
			if evaluate[bool](v, `[...document.querySelectorAll("#passkey-sign-in, #passkey-add")].some((e) => e.checkVisibility())`) {
				t.Errorf("%T: got a passkey button", page)
			}
		}
	})

	// The habit of pressing Enter after the last digit must not send a passcode
	// that is being used.
	const pressAgain = `addEventListener("submit", () => setTimeout(() => {
		document.querySelector("#passcode-form button").click();
		fetch("/answer");
	}, 20), { once: true });`
	run("A whole passcode submits itself once", pressAgain, func(t *testing.T, v *visitor) {
		v.d.hold = make(chan struct{})
		v.sees(PasscodePage{Return: "/reports", Email: "ann@example.com", Digits: 6, Lifetime: time.Minute})
		v.do(chromedp.SendKeys(chromedp.CSS("#passcode"), "12 34-56"))
		v.until(here, "/doorward/login/passcode")
		v.d.mu.Lock()
		defer v.d.mu.Unlock()
		if want := (url.Values{"passcode": {"123456"}, "return": {"/reports"}}); len(v.d.forms) != 1 || fmt.Sprint(v.d.forms[0]) != fmt.Sprint(want) {
			t.Errorf("got forms %v, want %v once", v.d.forms, want)
		}
	})

	run("After a wrong passcode the next one waits to be told", "", func(t *testing.T, v *visitor) {
		v.sees(PasscodePage{Email: "ann@example.com", Digits: 6, Problem: WrongPasscode})
		v.do(chromedp.SendKeys(chromedp.CSS("#passcode"), " 123 456"))
		v.until(`document.querySelector("#passcode").value`, "123456")
		v.do(chromedp.SendKeys(chromedp.CSS("#passcode"), "\r"))
		v.until(here, "/doorward/login/passcode")
		v.d.mu.Lock()
		defer v.d.mu.Unlock()
		if len(v.d.forms) != 1 {
			t.Errorf("got %d forms, want one", len(v.d.forms))
		}
	})

	run("Times are in the zone of the visitor", "", func(t *testing.T, v *visitor) {
		v.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Tokyo"})
			return err
		}))
		at := time.Date(2026, time.March, 3, 23, 5, 0, 0, time.UTC)
		v.sees(AccountPage{Passkeys: []Passkey{{CreatedAt: at, LastUsedAt: at}}})
		got := evaluate[string](v, `[...document.querySelectorAll("time")].map((e) => e.textContent.replaceAll("\u202f", " ")).join("; ")`)
		if want := "Mar 4, 2026; Mar 4, 2026, 8:05 AM"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})

	run("No page breaks the policy, complains, or scrolls sideways on a phone", "", func(t *testing.T, v *visitor) {
		var mu sync.Mutex
		var complaints []string
		console := chromedp.Console(v.ctx)
		go func() {
			for m, err := range console {
				if err != nil {
					return
				}
				mu.Lock()
				complaints = append(complaints, fmt.Sprintf("%s: %s", m.Type, m.Text))
				mu.Unlock()
			}
		}()
		v.do(chromedp.EmulateViewport(360, 640))
		for name, page := range samples() {
			long := fill(page, strings.Repeat("Donaudampfschiff", 12))
			for _, page := range []Page{page, long} {
				v.sees(page)
				if got := evaluate[int](v, `document.documentElement.scrollWidth`); got > 360 {
					t.Errorf("%s: got a width of %d, want 360", name, got)
				}
				small := evaluate[[]string](v, `[...document.querySelectorAll("button, a, input, summary")]
					.filter((e) => e.checkVisibility() && !e.closest("p") && (e.offsetHeight < 44 || e.offsetWidth < 44))
					.map((e) => e.outerHTML)`)
				if len(small) > 0 {
					t.Errorf("%s: got targets smaller than 44 pixels: %q", name, small)
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(complaints)
		if complaints = slices.Compact(complaints); len(complaints) > 0 {
			t.Errorf("got %q, want a quiet console", complaints)
		}
	})
}
