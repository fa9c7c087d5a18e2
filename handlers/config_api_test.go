package handlers_test

import (
	"net/http"
	"testing"

	"github.com/doorward/doorward/ceremony"
)

// The whole body is compared: Hanko's web components read each of these fields
// without asking whether it is there.
func TestConfigTellsClientsWhatThereIs(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    setup
		want string // of emails and account
	}{
		{"default", setup{}, `"max_num_of_addresses":5},"providers":[],"account":{"allow_signup":true,"allow_deletion":false}`},
		{"three addresses, deletion", setup{mayDelete: true, accounts: ceremony.AccountOptions{MaxAddresses: 3}},
			`"max_num_of_addresses":3},"providers":[],"account":{"allow_signup":true,"allow_deletion":true}`},
		{"closed", setup{accounts: ceremony.AccountOptions{Closed: true, Lookup: true}},
			`"max_num_of_addresses":5},"providers":[],"account":{"allow_signup":false,"allow_deletion":false}`},
		{"closed, and clients cannot look addresses up", setup{accounts: ceremony.AccountOptions{Closed: true}},
			`"max_num_of_addresses":5},"providers":[],"account":{"allow_signup":true,"allow_deletion":false}`},
	} {
		want := `{"password":{"enabled":false,"min_password_length":8},"emails":{"require_verification":true,` + tt.want + `,"use_enterprise":false}`
		r := newRig(t, tt.s)
		if a := r.client().call("GET", "/doorward/.well-known/config", ""); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s: %d %s, want 200 %s", tt.name, a.status, a.body, want)
		}
	}
}
