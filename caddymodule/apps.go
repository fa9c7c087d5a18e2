package caddymodule

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/doorward/doorward/handlers"
)

// Apps are the native apps that may use passkeys of the relying parties, and
// passwords and passkeys that a browser has kept for the sites.
type Apps struct {
	// Android lists the apps of Android, by package.
	Android []AndroidApp `json:"android,omitempty"`

	// IOS lists the apps of Apple's systems, as TEAMID.com.example.app: the ten
	// letters and digits of the team, and the bundle ID.
	IOS []string `json:"ios,omitempty"`
}

// AndroidApp is an app of Android and the certificates that it may be signed with.
type AndroidApp struct {
	// Package is the app's ID: com.example.app.
	Package string `json:"package,omitempty"`

	// Fingerprints are the SHA-256 of its signing certificates in hexadecimal, as
	// keytool prints them: AB:CD:..., or without colons. The command doorward
	// apk-key-hash prints them, too.
	Fingerprints []string `json:"fingerprints,omitempty"`
}

// parseApps parses the block apps.
func (a *App) parseApps() option {
	return block(options{
		"android": {parse: a.Apps.parseAndroid, repeats: true},
		"ios":     texts(&a.Apps.IOS),
	}.checked(a.validate))
}

func (apps *Apps) parseAndroid(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.Err("android wants a package and the SHA-256 fingerprints of the certificates that it is signed with: android com.example.app AB:CD:... (see doorward apk-key-hash)")
	}
	apps.Android = append(apps.Android, AndroidApp{Package: args[0], Fingerprints: args[1:]})
	return nil
}

func (apps *Apps) validate() error {
	var packages []string
	for _, app := range apps.Android {
		if err := app.validate(); err != nil {
			return err
		}
		if slices.Contains(packages, app.Package) {
			return fmt.Errorf("apps android %s is given twice: all its fingerprints stand on one line", app.Package)
		}
		packages = append(packages, app.Package)
	}
	for i, id := range apps.IOS {
		switch {
		case !isAppID(id):
			return fmt.Errorf("apps ios: %q is no app ID: want the team's ten letters and digits, a dot, and the bundle ID, as A1B2C3D4E5.com.example.app", id)
		case slices.Contains(apps.IOS[:i], id):
			return fmt.Errorf("apps ios: %s is given twice", id)
		}
	}
	return nil
}

func (app *AndroidApp) validate() error {
	if !isPackage(app.Package) {
		return fmt.Errorf("apps android: %q is no package such as com.example.app", app.Package)
	}
	if len(app.Fingerprints) == 0 {
		return fmt.Errorf("apps android %s: no fingerprint of a certificate that it is signed with", app.Package)
	}
	for _, text := range app.Fingerprints {
		if _, err := parseFingerprint(text); err != nil {
			return fmt.Errorf("apps android %s: %w", app.Package, err)
		}
	}
	return nil
}

// served returns the apps as their sites name them to the systems.
func (apps *Apps) served() handlers.Apps {
	served := handlers.Apps{IOS: apps.IOS}
	for _, app := range apps.Android {
		known := handlers.AndroidApp{Package: app.Package}
		for _, f := range app.fingerprints() {
			known.Fingerprints = append(known.Fingerprints, f.String())
		}
		served.Android = append(served.Android, known)
	}
	return served
}

// fingerprints returns the fingerprints of an app that is valid, each once.
func (app *AndroidApp) fingerprints() (list []certificateHash) {
	for _, text := range app.Fingerprints {
		if f, err := parseFingerprint(text); err == nil && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// isPackage reports whether s is an application ID of Android: two segments or more
// of letters, digits and underscores, each of which begins with a letter.
func isPackage(s string) bool {
	segments := strings.Split(s, ".")
	return len(segments) > 1 && !slices.ContainsFunc(segments, func(segment string) bool {
		return segment == "" || !isLetter(segment[0]) || strings.ContainsFunc(segment, func(c rune) bool {
			return c > 0x7f || !isLetter(byte(c)) && !isDigit(byte(c)) && c != '_'
		})
	})
}

// isAppID reports whether s is the application identifier of an app of Apple's
// systems: the team's ID and the bundle ID.
func isAppID(s string) bool {
	team, bundle, _ := strings.Cut(s, ".")
	if len(team) != 10 || strings.ToUpper(team) != team {
		return false
	}
	plain := func(part string, more string) bool {
		return part != "" && !strings.ContainsFunc(part, func(c rune) bool {
			return c > 0x7f || !isLetter(byte(c)) && !isDigit(byte(c)) && !strings.ContainsRune(more, c)
		})
	}
	return plain(team, "") && plain(bundle, "-.") && strings.Trim(bundle, ".") == bundle
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// A certificateHash is the SHA-256 of a certificate: its fingerprint.
type certificateHash [32]byte

// parseFingerprint reads a fingerprint in hexadecimal, in any case, with a colon
// after each byte or with none.
func parseFingerprint(s string) (certificateHash, error) {
	digits := s
	if strings.Contains(s, ":") {
		pairs := strings.Split(s, ":")
		if slices.ContainsFunc(pairs, func(pair string) bool { return len(pair) != 2 }) {
			return certificateHash{}, badFingerprint(s)
		}
		digits = strings.Join(pairs, "")
	}
	decoded, err := hex.DecodeString(digits)
	if err != nil || len(decoded) != len(certificateHash{}) {
		return certificateHash{}, badFingerprint(s)
	}
	return certificateHash(decoded), nil
}

// badFingerprint says what is wrong with a fingerprint. That of SHA-1 stands beside
// the other wherever certificates are printed, and is what people copy.
func badFingerprint(s string) error {
	if len(strings.ReplaceAll(s, ":", "")) == 40 {
		return fmt.Errorf("%q is no SHA-256 fingerprint, but looks like one of SHA-1: take the other one", s)
	}
	return fmt.Errorf("%q is no SHA-256 fingerprint: want 32 bytes in hexadecimal, as AB:CD:... or without the colons", s)
}

// String returns the fingerprint as keytool prints it, and as Digital Asset Links want
// it: upper case, with colons.
func (f certificateHash) String() string {
	pairs := make([]string, len(f))
	for i, b := range f {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}

// origin returns what Android says for an origin when an app uses a passkey that is
// signed with the certificate.
func (f certificateHash) origin() string {
	return "android:apk-key-hash:" + base64.RawURLEncoding.EncodeToString(f[:])
}
