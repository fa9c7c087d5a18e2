package mobile

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/authenticator"
)

// A phone has an app on it, and does for it what the system does: it makes passkeys
// and answers with them, if the site of the relying party says that the app belongs
// to it.
type phone struct {
	authenticator.Authenticator

	// belongs returns what the site of a relying party does not say, and has to for
	// the app to use its passkeys.
	belongs func(site string) error

	// origin returns what the app's passkeys say for an origin.
	origin func(rpID string) string

	// trim makes of an answer what such a phone sends.
	trim func(credential map[string]any)
}

// A fetch gets what is at a URL, as JSON.
type fetch func(url string, v any) error

func newPhone() *phone {
	return &phone{Authenticator: authenticator.Authenticator{
		Synced: true, Transports: []string{"internal", "hybrid"}, Attachment: "platform",
	}}
}

// androidPhone returns a phone with Android that has the page's app on it.
func androidPhone(app page, get fetch) *phone {
	p := newPhone()
	p.trim = func(map[string]any) {}
	p.origin = func(string) string {
		fingerprint, _ := hex.DecodeString(strings.ReplaceAll(app.fingerprint, ":", ""))
		return "android:apk-key-hash:" + base64.RawURLEncoding.EncodeToString(fingerprint)
	}
	p.belongs = func(site string) error {
		var links []struct {
			Relation []string
			Target   struct {
				Namespace    string
				Package      string   `json:"package_name"`
				Fingerprints []string `json:"sha256_cert_fingerprints"`
			}
		}
		if err := get(site+"/.well-known/assetlinks.json", &links); err != nil {
			return err
		}
		for _, link := range links {
			if link.Target.Namespace == "android_app" && link.Target.Package == app.androidPackage &&
				slices.Contains(link.Target.Fingerprints, app.fingerprint) &&
				slices.Contains(link.Relation, "delegate_permission/common.get_login_creds") &&
				slices.Contains(link.Relation, "delegate_permission/common.handle_all_urls") {
				return nil
			}
		}
		return fmt.Errorf("%s does not link the app: %v", site, links)
	}
	return p
}

// applePhone returns a phone with iOS that has the page's app on it.
func applePhone(app page, get fetch) *phone {
	p := newPhone()
	p.origin = func(rpID string) string { return "https://" + rpID }
	// The app writes the JSON itself, of the few things that it is given, and leaves
	// the padding where Foundation puts it.
	p.trim = func(credential map[string]any) {
		delete(credential, "clientExtensionResults")
		response := credential["response"].(map[string]any)
		delete(response, "transports")
		for _, name := range []string{"clientDataJSON", "attestationObject", "authenticatorData", "signature"} {
			if value, ok := response[name].(string); ok {
				response[name] = value + strings.Repeat("=", -len(value)&3)
			}
		}
	}
	p.belongs = func(site string) error {
		var association struct {
			Credentials struct{ Apps []string } `json:"webcredentials"`
		}
		if err := get(site+"/.well-known/apple-app-site-association", &association); err != nil {
			return err
		}
		if !slices.Contains(association.Credentials.Apps, app.appID) {
			return fmt.Errorf("%s does not name the app: %v", site, association)
		}
		return nil
	}
	return p
}

// serve lets a program ask the phone for what its system is asked for: at /create and
// /get, with the value of publicKey. It returns where.
func (p *phone) serve(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := p.answer(r)
		if err != nil {
			t.Errorf("the phone refuses: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (p *phone) answer(r *http.Request) ([]byte, error) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var options struct {
		RPID string `json:"rpId"` // of a request
		RP   struct {
			ID string `json:"id"` // of a creation
		} `json:"rp"`
	}
	if err := json.Unmarshal(asked, &options); err != nil {
		return nil, fmt.Errorf("reading options: %w", err)
	}
	rpID := options.RPID + options.RP.ID
	if err := p.belongs("https://" + rpID); err != nil {
		return nil, err
	}
	p.Origin = p.origin(rpID)
	change := func(a *authenticator.Answer) { a.Amend = p.trim }
	whole, err := json.Marshal(map[string]json.RawMessage{"publicKey": asked})
	if err != nil {
		return nil, err
	}
	switch r.URL.Path {
	case "/create":
		return p.Create(whole, change)
	case "/get":
		return p.Get(whole, change)
	}
	return nil, fmt.Errorf("nothing is at %s", r.URL.Path)
}
