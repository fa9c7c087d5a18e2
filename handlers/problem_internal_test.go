package handlers

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// sentinels is what each error that a caller can tell from others is for the
// visitor. 503 is for those that no visitor ever causes.
var sentinels = map[string]struct {
	err    error
	status int
	slug   string
}{
	"ceremony.ErrMalformed":        {ceremony.ErrMalformed, 400, "malformed"},
	"ceremony.ErrWrongPasscode":    {ceremony.ErrWrongPasscode, 401, "wrong_passcode"},
	"ceremony.ErrTooManyAttempts":  {ceremony.ErrTooManyAttempts, 410, "too_many_attempts"},
	"ceremony.ErrPasscodeGone":     {ceremony.ErrPasscodeGone, 401, "passcode_not_found"},
	"ceremony.ErrPasscodeExpired":  {ceremony.ErrPasscodeExpired, 408, "passcode_expired"},
	"ceremony.ErrChallenge":        {ceremony.ErrChallenge, 401, "challenge_mismatch"},
	"ceremony.ErrUnknownPasskey":   {ceremony.ErrUnknownPasskey, 401, "unknown_passkey"},
	"ceremony.ErrPasskey":          {ceremony.ErrPasskey, 401, "assertion_failed"},
	"ceremony.ErrUserVerification": {ceremony.ErrUserVerification, 422, "user_verification_required"},
	"ceremony.ErrPasskeyTaken":     {ceremony.ErrPasskeyTaken, 409, "passkey_exists"},
	"ceremony.ErrNotAllowed":       {ceremony.ErrNotAllowed, 403, "not_allowed"},
	"ceremony.ErrUnknownUser":      {ceremony.ErrUnknownUser, 400, "unknown_user"},
	"ceremony.ErrUnknownEmail":     {ceremony.ErrUnknownEmail, 400, "unknown_address"},
	"ceremony.ErrOtherUser":        {ceremony.ErrOtherUser, 403, "other_user"},
	"ceremony.ErrAccountExists":    {ceremony.ErrAccountExists, 409, "account_exists"},
	"ceremony.ErrLookup":           {ceremony.ErrLookup, 404, "not_found"},
	"ceremony.ErrTooManyAddresses": {ceremony.ErrTooManyAddresses, 409, "too_many_addresses"},
	"ceremony.ErrBusy":             {ceremony.ErrBusy, 503, "mail_away"},

	"session.ErrNone":    {session.ErrNone, 401, "sign_in_required"},
	"session.ErrInvalid": {session.ErrInvalid, 401, "session_ended"},
	"session.ErrExpired": {session.ErrExpired, 401, "session_ended"},
	"session.ErrEnded":   {session.ErrEnded, 401, "session_ended"},

	"directory.ErrNotFound":    {directory.ErrNotFound, 404, "not_found"},
	"directory.ErrAddress":     {directory.ErrAddress, 400, "address_invalid"},
	"directory.ErrName":        {directory.ErrName, 400, "name_invalid"},
	"directory.ErrTaken":       {directory.ErrTaken, 400, "address_taken"},
	"directory.ErrTooMany":     {directory.ErrTooMany, 409, "too_many_addresses"},
	"directory.ErrPrimary":     {directory.ErrPrimary, 409, "primary_address"},
	"directory.ErrUnverified":  {directory.ErrUnverified, 409, "address_unverified"},
	"directory.ErrGroup":       {directory.ErrGroup, 503, "unavailable"},
	"directory.ErrSignCount":   {directory.ErrSignCount, 503, "unavailable"},
	"directory.ErrNewerSchema": {directory.ErrNewerSchema, 503, "unavailable"},
	"directory.ErrClock":       {directory.ErrClock, 503, "unavailable"}, // met at a change of keys, never by a visitor
	"directory.ErrFile":        {directory.ErrFile, 503, "unavailable"},  // an import's; no visitor meets it
	"directory.ErrNotEmpty":    {directory.ErrNotEmpty, 503, "unavailable"},

	"store.ErrNotFound": {store.ErrNotFound, 503, "unavailable"},
	"store.ErrExists":   {store.ErrExists, 503, "unavailable"},
	"policy.ErrPattern": {policy.ErrPattern, 503, "unavailable"},
	"mail.ErrRefused":   {mail.ErrRefused, 503, "unavailable"},
	"mail.ErrFull":      {mail.ErrFull, 503, "unavailable"},
	"mail.ErrClosed":    {mail.ErrClosed, 503, "unavailable"},

	"handlers.errNoRoute":      {errNoRoute, 404, "not_found"},
	"handlers.errMisdirected":  {errMisdirected, 421, "host_not_configured"},
	"handlers.errCrossOrigin":  {errCrossOrigin, 403, "cross_origin"},
	"handlers.errContentType":  {errContentType, 415, "content_type"},
	"handlers.errTooLarge":     {errTooLarge, 413, "too_large"},
	"handlers.errBody":         {errBody, 400, "malformed"},
	"handlers.errNotFresh":     {errNotFresh, 403, "fresh_sign_in_required"},
	"handlers.errNotAdmitted":  {errNotAdmitted, 403, "not_allowed"},
	"handlers.errNoCookies":    {errNoCookies, 400, "cookies_blocked"},
	"handlers.errPanic":        {errPanic, 500, "internal"},
	"handlers.errRendering":    {errRendering, 500, "internal"},
	"handlers.errAddressField": {errAddressField, 400, "address_invalid"},
	"handlers.errLocksOut":     {errLocksOut, 403, "address_shuts_out"},
	"handlers.errUnconfirmed":  {errUnconfirmed, 400, "unconfirmed"},
	"handlers.errLogin":        {errLogin, 503, "unavailable"},
	"handlers.errRegistration": {errRegistration, 503, "unavailable"},
	"handlers.errUnready":      {errUnready, 503, "unavailable"},
}

func TestEveryErrorHasItsStatus(t *testing.T) {
	for name, s := range sentinels {
		for _, err := range []error{s.err, fmt.Errorf("doing something: %w", s.err), errors.Join(s.err, errors.New("and more"))} {
			p := problemOf(err)
			if p.Status != s.status || p.slug != s.slug {
				t.Errorf("%s: %d %s, want %d %s", name, p.Status, p.slug, s.status, s.slug)
			}
			if p.failure != (s.status >= 500) {
				t.Errorf("%s: a failure of ours: %v, want %v for a %d", name, p.failure, s.status >= 500, s.status)
			}
			if p.Title == "" || p.page == "" {
				t.Errorf("%s: says nothing, or nothing for a page: %+v", name, p)
			}
			if (p.retry > 0) != (s.status == 503) {
				t.Errorf("%s: retry after %v for a %d", name, p.retry, s.status)
			}
		}
	}
}

// The same refusal has another status at a registration, as clients of the Hanko
// API expect.
func TestRefusalsAtARegistration(t *testing.T) {
	for name, want := range map[string]int{
		"ceremony.ErrMalformed": 400, "ceremony.ErrChallenge": 400, "ceremony.ErrPasskey": 400,
		"ceremony.ErrUserVerification": 422, "ceremony.ErrPasskeyTaken": 409,
	} {
		if got := problemOf(errors.Join(errRegistration, sentinels[name].err)).Status; got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// A passcode that is asked for an unknown user is answered as Hanko does, and so
// is a passkey.
func TestUnknownUserIsToldInHankosWords(t *testing.T) {
	if got := problemOf(ceremony.ErrUnknownUser).Title; got != "Bad Request" {
		t.Errorf("passcode: %q, want Bad Request", got)
	}
	if got := problemOf(errors.Join(errLogin, ceremony.ErrUnknownUser)).Title; got != "user not found" {
		t.Errorf("passkey: %q, want user not found", got)
	}
}

func TestEveryProblemIsExplained(t *testing.T) {
	explained, err := os.ReadFile(filepath.Join("..", "docs", "problems.md"))
	if err != nil {
		t.Fatal(err)
	}
	slugs := map[string]bool{"too_many_requests": true, "challenge_mismatch": true, "attestation_failed": true}
	for _, s := range sentinels {
		slugs[s.slug] = true
	}
	for slug := range slugs {
		if !strings.Contains(string(explained), `<a id="`+slug+`"></a>`) {
			t.Errorf("docs/problems.md does not explain %s", slug)
		}
	}
}

func TestSpentBudgetSaysWhenThereIsANewOne(t *testing.T) {
	p := problemOf(fmt.Errorf("counting: %w", &ceremony.LimitError{RetryAfter: 90 * time.Second}))
	if p.Status != 429 || p.slug != "too_many_requests" || p.retry != 90*time.Second {
		t.Errorf("LimitError: %d %s after %v, want 429 too_many_requests after 90s", p.Status, p.slug, p.retry)
	}
}

func TestUnknownErrorIsAFailureThatShowsNothing(t *testing.T) {
	p := problemOf(errors.New("dial tcp 10.0.0.5:5432: password of doorward is hunter2"))
	if p.Status != 503 || !p.failure || p.Title != "Service Unavailable" || p.Detail != "" {
		t.Errorf("problem = %+v, want a bare 503", p)
	}
}

// A new sentinel has to be given a status on purpose: it does not become a 503
// unseen.
func TestNoSentinelIsForgotten(t *testing.T) {
	for _, pkg := range []string{"ceremony", "session", "directory", "store", "policy", "mail", "handlers"} {
		found := 0
		for _, name := range declaredErrors(t, filepath.Join("..", pkg)) {
			if pkg != "handlers" && !ast.IsExported(name) {
				continue
			}
			found++
			if _, ok := sentinels[pkg+"."+name]; !ok {
				t.Errorf("%s.%s has no status: decide on one in problemOf, and list it here", pkg, name)
			}
		}
		if found == 0 {
			t.Errorf("found no sentinel in %s: the test looks in the wrong place", pkg)
		}
	}
}

// declaredErrors returns the package variables of dir that are made by
// errors.New or fmt.Errorf.
func declaredErrors(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, f.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			declaration, ok := d.(*ast.GenDecl)
			if !ok || declaration.Tok != token.VAR {
				continue
			}
			for _, spec := range declaration.Specs {
				value := spec.(*ast.ValueSpec)
				for i, name := range value.Names {
					if i < len(value.Values) && makesError(value.Values[i]) {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func makesError(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := f.X.(*ast.Ident)
	return ok && (from.Name == "errors" && f.Sel.Name == "New" || from.Name == "fmt" && f.Sel.Name == "Errorf")
}
