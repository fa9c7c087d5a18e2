package caddymodule

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// apkKeyHash is what Android and the configuration call the certificate that an app
// is signed with.
type apkKeyHash struct {
	Source      string `json:"source"`
	Subject     string `json:"subject,omitempty"`
	Fingerprint string `json:"fingerprint"`
	Origin      string `json:"origin"`
	Note        string `json:"note,omitempty"`
}

func apkKeyHashCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: "apk-key-hash <file>...", Short: "Prints what Android calls a signing certificate", Args: cobra.MinimumNArgs(1),
		Long: `
Reads the certificates that an Android app is signed with, and prints of each the
fingerprint, as the option apps takes it, and the origin that the app's passkeys
come from. It talks to no server.

A file, or - for standard input, is a certificate as PEM or DER, as keytool
-exportcert writes it, or a text with its SHA-256 fingerprint, as keytool -list and
apksigner verify --print-certs print it. A fingerprint may stand in place of a file.

What is beside the certificate of the app is left out, with a note: those that vouch
for it in a chain, and that of a source stamp.`,
		RunE: func(c *cobra.Command, args []string) error {
			list := []apkKeyHash{}
			for _, arg := range args {
				found, err := readAPKKeyHashes(arg, c.InOrStdin())
				if err != nil {
					return err
				}
				list = append(list, found...)
			}
			if t.json {
				return t.print(c.OutOrStdout(), list, "")
			}
			return printAPKKeyHashes(c.OutOrStdout(), list)
		},
	}
}

func printAPKKeyHashes(w io.Writer, list []apkKeyHash) error {
	for i, k := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s", k.Source)
		if k.Subject != "" {
			fmt.Fprintf(w, " (%s)", k.Subject)
		}
		fmt.Fprintf(w, "\n  fingerprint  %s\n  origin       %s\n", k.Fingerprint, k.Origin)
		if k.Note != "" {
			fmt.Fprintf(w, "  note         %s\n", k.Note)
		}
	}
	return nil
}

// maxCertificate is more than any file with a certificate, or text about one, has.
const maxCertificate = 1 << 20

// readAPKKeyHashes reads what an argument names: a fingerprint, a file, or, if it
// is -, in.
func readAPKKeyHashes(arg string, in io.Reader) ([]apkKeyHash, error) {
	if f, err := parseFingerprint(arg); err == nil {
		return []apkKeyHash{hashOf("fingerprint", f)}, nil
	}
	name := arg
	if arg == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(arg)
		if err != nil {
			return nil, err // it says what was to be opened
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxCertificate))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	found, err := apkKeyHashes(name, content)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return found, nil
}

// apkKeyHashes returns what is in the content of a file. Its errors go on from the
// name of the file.
func apkKeyHashes(name string, content []byte) ([]apkKeyHash, error) {
	if err := notACertificate(name, content); err != nil {
		return nil, err
	}
	if certificate, err := x509.ParseCertificate(content); err == nil {
		return []apkKeyHash{hashOfCertificate(name, certificate)}, nil
	}
	if bytes.Contains(content, []byte("-----BEGIN ")) {
		return hashesOfPEM(name, content)
	}
	return hashesOfText(name, content)
}

// notACertificate says of what people have at hand, and which is no certificate, how
// to get to the one in it.
func notACertificate(name string, content []byte) error {
	file := name
	if file == "standard input" {
		file = "<keystore>"
	}
	switch {
	case bytes.HasPrefix(content, []byte{0xfe, 0xed, 0xfe, 0xed}), bytes.HasPrefix(content, []byte{0xce, 0xce, 0xce, 0xce}), isPKCS12(content):
		return fmt.Errorf("is a keystore, and its password is no business of this command; export the certificate:\n\tkeytool -exportcert -keystore %s -alias <alias> | doorward apk-key-hash -", shellWord(file))
	case bytes.HasPrefix(content, []byte("PK\x03\x04")):
		return fmt.Errorf("is a package; have its certificates printed:\n\tapksigner verify --print-certs %s | doorward apk-key-hash -", shellWord(file))
	}
	return nil
}

// isPKCS12 reports whether content begins as a PFX does: a sequence whose first
// element is the version 3 (RFC 7292, section 4).
func isPKCS12(content []byte) bool {
	if len(content) < 2 || content[0] != 0x30 {
		return false
	}
	header := 2
	if length := content[1]; length > 0x80 {
		header += int(length & 0x7f)
	}
	return len(content) > header && bytes.HasPrefix(content[header:], []byte{0x02, 0x01, 0x03})
}

// shellWord returns a file's name as a shell takes it.
func shellWord(name string) string {
	if !strings.ContainsAny(name, " \t'\"\\$&;|*?()") {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// hashesOfPEM returns the first certificate in a file: what follows is the chain of
// those that vouch for it.
func hashesOfPEM(name string, content []byte) ([]apkKeyHash, error) {
	var leaf *x509.Certificate
	certificates := 0
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if certificates++; certificates > 1 {
			continue
		}
		var err error
		if leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("has a certificate that cannot be read: %w", err)
		}
	}
	if leaf == nil {
		return nil, errors.New("has no certificate in it (a key is of no use here)")
	}
	found := hashOfCertificate(name, leaf)
	if certificates > 1 {
		found.Note = fmt.Sprintf("the first of %d certificates, which is the one that signs; the others are left out", certificates)
	}
	return []apkKeyHash{found}, nil
}

func hashOfCertificate(name string, certificate *x509.Certificate) apkKeyHash {
	found := hashOf(name, sha256.Sum256(certificate.Raw))
	found.Subject = certificate.Subject.String()
	return found
}

func hashOf(name string, f certificateHash) apkKeyHash {
	return apkKeyHash{Source: name, Fingerprint: f.String(), Origin: f.origin()}
}
