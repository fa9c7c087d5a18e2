// Package logs looks for secrets in the logs of gateways, at debug level and with
// access logs on: passcodes, session tokens, assertions, cookies, challenges,
// ceremonies, the secret that keys are derived from, passwords of backends, and
// whole e-mail addresses, which are no secrets and are not to be there either.
//
// What was issued is noted by those who see it: contract.Transport and testbed.App
// the answers and the assertions, mail/mailtest the letters, testbed.Gateway the
// configuration. Each gateway's log is searched when its test ends. With
// [EvidenceVariable] set, log and list are kept as well, and a test of this package
// searches all logs of a run of the whole suite for whatever was issued in any of
// its programs: see scripts/test.
package logs

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// A Kind says what a secret is.
type Kind string

// The kinds. Of passcodes and addresses there are few possible or few in use, so
// that those of one test program say nothing about the logs of another.
const (
	Passcode  Kind = "passcode"
	Token     Kind = "session token"
	Assertion Kind = "assertion"
	Cookie    Kind = "cookie"
	Challenge Kind = "challenge"
	Ceremony  Kind = "ceremony" // its ID, with which a client without cookies goes on
	Sealing   Kind = "secret"   // what the gateway's keys are derived from
	Password  Kind = "password" // of a backend
	Address   Kind = "address"  // a person's e-mail address

	// Public is what a test has given away by itself: see [Issued.GiveAway].
	Public Kind = "public"
)

// A Secret is something that no log may have.
type Secret struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value"`
}

// shortest is how long a secret is at least. What is shorter says nothing where it
// is found ("1", "evil"), and is looked for in no log; a password only where a URL
// has it.
const shortest = 16

// Issued collects secrets. The zero value is empty and ready for use, by any number
// of goroutines.
type Issued struct {
	mu    sync.Mutex
	known map[Secret]bool
	all   []Secret
	copy  io.Writer // of all, as lines of JSON, if not nil
}

// Seen is what this program has seen issued. It is one for the program, since
// passcodes, tokens and passwords come to light in packages that must not know each
// other.
var Seen Issued

// Add notes a secret. An empty value is none.
func (i *Issued) Add(kind Kind, value string) {
	switch kind {
	case Passcode, Password, Address, Public:
	default:
		if len(value) < shortest {
			return
		}
	}
	secret := Secret{kind, value}
	i.mu.Lock()
	defer i.mu.Unlock()
	if value == "" || i.known[secret] {
		return
	}
	if i.known == nil {
		i.known = make(map[Secret]bool)
	}
	i.known[secret] = true
	i.all = append(i.all, secret)
	i.record(secret)
}

// GiveAway notes that a test puts a secret where logs have what clients put there,
// such as a query: it is one no more.
func (i *Issued) GiveAway(value string) { i.Add(Public, value) }

// Secrets returns what was noted so far, oldest first.
func (i *Issued) Secrets() []Secret {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]Secret(nil), i.all...)
}

// Without returns the secrets that are of none of the kinds.
func Without(secrets []Secret, kinds ...Kind) []Secret {
	return slices.DeleteFunc(slices.Clone(secrets), func(s Secret) bool { return slices.Contains(kinds, s.Kind) })
}

// copyTo writes what was noted to w, and from now on whatever is.
func (i *Issued) copyTo(w io.Writer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.copy = w
	for _, secret := range i.all {
		i.record(secret)
	}
}

// record is called with the lock held. A list that is not whole would make the
// search of the whole suite prove less than it says: it ends the program.
func (i *Issued) record(secret Secret) {
	if i.copy == nil {
		return
	}
	if err := json.NewEncoder(i.copy).Encode(secret); err != nil {
		panic(fmt.Sprintf("keeping what was issued: %v", err))
	}
}

// isJWT reports whether a value is a compact JWS.
func isJWT(value string) bool {
	return strings.Count(value, ".") == 2 && strings.HasPrefix(value, "eyJ")
}
