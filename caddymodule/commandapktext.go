package caddymodule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// inChain is the line with which keytool begins each certificate of a chain, in any
// language, or those of a package.
var inChain = regexp.MustCompile(`^(?:\S+\[|Certificate #)([0-9]+)\]?:$`)

// hashesOfText returns the SHA-256 fingerprints of certificates in a text: those that
// stand alone on a line, or at the end of one that says so. It leaves out those of
// certificates that sign no app, and notes that it did.
func hashesOfText(name string, content []byte) ([]apkKeyHash, error) {
	var found []apkKeyHash
	var left []string
	vouches := false // whether we read of a certificate that vouches for another
	for line := range strings.Lines(string(content)) {
		vouches = vouchesAfter(strings.TrimSpace(line), vouches)
		label, last := splitFingerprint(line)
		named := strings.Contains(label, "SHA256") || strings.Contains(label, "SHA-256")
		if label != "" && !named || strings.Contains(label, "PUBLIC KEY") { // which has a hash of its own
			continue
		}
		f, err := parseFingerprint(last)
		switch {
		case err != nil && named && strings.Contains(last, ":"):
			return nil, fmt.Errorf("has a fingerprint that is none: %w", err)
		case err != nil:
		case strings.Contains(label, "SOURCE STAMP"):
			left = append(left, "that of the source stamp, which says where the app comes from")
		case vouches:
			left = append(left, "those after the first of a chain, which vouch for it")
		default:
			found = append(found, hashOf(name, f))
		}
	}
	slices.Sort(left)
	note := strings.Join(slices.Compact(left), "; ")
	switch {
	case len(found) > 0 && note != "":
		found[len(found)-1].Note = "left out, since they sign no app: " + note
	case note != "":
		return nil, fmt.Errorf("has no fingerprint of a certificate that signs an app; left out: %s", note)
	case len(found) == 0:
		return nil, errors.New("is neither a certificate (PEM or DER) nor a text with a SHA-256 fingerprint")
	}
	return found, nil
}

// vouchesAfter reports whether what follows a line is about a certificate that
// vouches for another, given whether the line itself was.
func vouchesAfter(line string, vouches bool) bool {
	if place := inChain.FindStringSubmatch(line); place != nil {
		return place[1] != "1"
	}
	// The next entry of a keystore, which need not be a chain, or the next signer.
	if strings.HasPrefix(line, "*****") || strings.HasPrefix(line, "Alias name:") || strings.HasPrefix(line, "Signer #") {
		return false
	}
	return vouches
}

// splitFingerprint returns the last word of a line, which may be a fingerprint, and
// what is said about it, in upper case.
func splitFingerprint(line string) (label, last string) {
	fields := strings.FieldsFunc(line, func(c rune) bool { return c == '=' || unicode.IsSpace(c) })
	if len(fields) == 0 {
		return "", ""
	}
	return strings.ToUpper(strings.Join(fields[:len(fields)-1], " ")), fields[len(fields)-1]
}
