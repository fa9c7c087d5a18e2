package ceremony_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
)

// An answer is parsed before anything of it is proved: JSON, base64url, client
// data, CBOR. Whatever arrives is refused, and neither breaks the parser nor
// passes for a failure of ours.
func FuzzPasskeyAnswer(f *testing.F) {
	r := newRig(f, setup{})
	ann := r.user(f, "ann@example.com")
	a := newAuthenticator()
	r.register(f, a, ann)
	f.Add(get(f, a, r.options(f, site, nil), honest))
	options, err := r.passkeys.InitializeRegistration(f.Context(), site, browser, ann, ceremony.Wishes{})
	if err != nil {
		f.Fatal(err)
	}
	created, err := newAuthenticator().Create(options)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(created)
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"o2NmbXRkbm9uZQ"}}`))
	r.advance(time.Hour) // of the seeds, no challenge is good any more
	refused := func(err error) bool {
		return slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) })
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if _, err := r.passkeys.FinalizeLogin(t.Context(), site, wideOpen, browser, answer); !refused(err) {
			t.Errorf("login: %v, want a refusal", err)
		}
		if _, err := r.passkeys.FinalizeRegistration(t.Context(), site, browser, ann, answer); !refused(err) {
			t.Errorf("registration: %v, want a refusal", err)
		}
		if list, err := r.passkeys.List(t.Context(), site, ann.ID); err != nil || len(list) != 1 {
			t.Errorf("%d passkeys, %v; want the one from before", len(list), err)
		}
	})
}
