package caddymodule

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The certificate of testdata, as openssl says it.
const (
	knownFingerprint = "67:05:C1:E1:A8:7D:86:C0:03:F0:3D:C9:34:7F:80:6A:20:93:D5:CE:EC:22:02:E7:90:A8:D6:A3:02:05:F3:85"
	knownOrigin      = "android:apk-key-hash:ZwXB4ah9hsAD8D3JNH-AaiCT1c7sIgLnkKjWowIF84U"
)

// keyHashes runs the command and returns what it prints as JSON.
func keyHashes(t *testing.T, args ...string) []apkKeyHash {
	t.Helper()
	output, err := runCommand("localhost:1", append([]string{"apk-key-hash", "--json"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var list []apkKeyHash
	if err := json.Unmarshal([]byte(output), &list); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return list
}

func TestKeyHashOfACertificateInAnyForm(t *testing.T) {
	known := read(t, "testdata/ca.pem")
	block, _ := pem.Decode([]byte(known))
	for _, tt := range []struct{ name, content string }{
		{"PEM", known},
		{"PEM with text around it", "Alias: app\n" + known + "\nend\n"},
		{"DER", string(block.Bytes)},
		{"keytool -list", "app, Nov 22, 2026, PrivateKeyEntry, \nCertificate fingerprint (SHA-256): " + knownFingerprint + "\n"},
		{"keytool -list -v", "Certificate fingerprints:\n\t SHA1: B1:2D:24:73:4D:D8:9C:70:A7:58:F3:12:85:C5:FC:FE:71:9E:B2:F2\n\t SHA256: " +
			knownFingerprint + "\nSignature algorithm name: SHA256withRSA\nSubject Public Key Algorithm: 2048-bit RSA key\n"},
		{"apksigner", "Signer #1 certificate SHA-256 digest: " + strings.ToLower(strings.ReplaceAll(knownFingerprint, ":", "")) +
			"\nSigner #1 certificate SHA-1 digest: b12d24734dd89c70a758f31285c5fcfe719eb2f2\nSigner #1 public key SHA-256 digest: " + strings.Repeat("ab", 32) + "\n"},
		{"openssl", "sha256 Fingerprint=" + knownFingerprint + "\r\n"},
		{"the fingerprint alone", knownFingerprint},
		{"the fingerprint in lower case, without colons", "\n  " + strings.ToLower(strings.ReplaceAll(knownFingerprint, ":", "")) + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "certificate")
			write(t, path, tt.content)
			got := keyHashes(t, path)
			if len(got) != 1 || got[0].Fingerprint != knownFingerprint || got[0].Origin != knownOrigin || got[0].Source != path || got[0].Note != "" {
				t.Errorf("got %+v, want %s and %s alone", got, knownFingerprint, knownOrigin)
			}
		})
	}
	if got := keyHashes(t, knownFingerprint); len(got) != 1 || got[0].Origin != knownOrigin {
		t.Errorf("a fingerprint in place of a file: %+v, want %s", got, knownOrigin)
	}
}

func TestKeyHashOfAChainIsThatOfItsFirst(t *testing.T) {
	dir := t.TempDir()
	leaf, _ := writeCertificate(t, dir, "leaf")
	content := read(t, leaf)
	block, _ := pem.Decode([]byte(content))
	sum := sha256.Sum256(block.Bytes)
	chain := filepath.Join(dir, "chain.pem")
	write(t, chain, content+read(t, "testdata/ca.pem"))
	output, err := runCommand("localhost:1", "apk-key-hash", chain)
	if err != nil {
		t.Fatal(err)
	}
	origin := "android:apk-key-hash:" + base64.RawURLEncoding.EncodeToString(sum[:])
	for _, want := range []string{chain + " (CN=leaf)\n", origin + "\n", "the first of 2 certificates"} {
		if !strings.Contains(output, want) {
			t.Errorf("%s: want %q in it", output, want)
		}
	}
	if strings.Contains(output, knownOrigin) {
		t.Errorf("%s: the authority signs no app", output)
	}
}

func TestKeyHashesOfSeveralFilesStandInTheirOrder(t *testing.T) {
	certificate, _ := writeCertificate(t, t.TempDir(), "release")
	got := keyHashes(t, "testdata/ca.pem", certificate, knownFingerprint)
	if len(got) != 3 || got[0].Origin != knownOrigin || got[1].Subject != "CN=release" || got[2].Source != "fingerprint" {
		t.Errorf("got %+v, want that of testdata, that of release, and the fingerprint's", got)
	}
}

// The tools print more fingerprints than that of the app: whoever holds another of
// these certificates is not who made it.
func TestKeyHashLeavesOutCertificatesThatSignNoApp(t *testing.T) {
	var (
		other   = strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
		release = strings.TrimSuffix(strings.Repeat("CD:", 32), ":")
		one     = func(f string) string { return "Certificate fingerprints:\n\t SHA1: B1:2D\n\t SHA256: " + f + "\n" }
		stars   = "\n\n" + strings.Repeat(strings.Repeat("*", 43)+"\n", 2) + "\n\n"
		hex     = func(f string) string { return strings.ToLower(strings.ReplaceAll(f, ":", "")) }
	)
	for _, tt := range []struct {
		name, content string
		want          []string
		note          string
	}{
		{"apksigner with a source stamp", "Signer #1 certificate DN: CN=app\nSigner #1 certificate SHA-256 digest: " + hex(knownFingerprint) +
			"\nSource Stamp Signer certificate DN: CN=Android\nSource Stamp Signer certificate SHA-256 digest: " + hex(other) +
			"\nSource Stamp Signer certificate SHA-1 digest: b12d\n", []string{knownFingerprint}, "source stamp"},
		{"apksigner with two signers", "Signer #1 certificate SHA-256 digest: " + hex(knownFingerprint) + "\nSigner #2 certificate SHA-256 digest: " + hex(release) + "\n",
			[]string{knownFingerprint, release}, ""},
		{"a chain of keytool -list -v", "Certificate chain length: 3\nCertificate[1]:\n" + one(knownFingerprint) + "\n#1: ObjectId: 2.5.29.35 Criticality=false\nAuthorityKeyIdentifier [\n]\n\nCertificate[2]:\n" +
			one(other) + "Certificate[3]:\n" + one(other) + stars, []string{knownFingerprint}, "chain"},
		{"a chain in another language", "Zertifikat[1]:\r\n" + one(knownFingerprint) + "Zertifikat[2]:\r\n" + one(other), []string{knownFingerprint}, "chain"},
		{"two entries with chains", "Alias name: a\nCertificate[1]:\n" + one(knownFingerprint) + "Certificate[2]:\n" + one(other) + stars +
			"Alias name: b\nCertificate[1]:\n" + one(release) + "Certificate[2]:\n" + one(other) + stars, []string{knownFingerprint, release}, "chain"},
		{"an entry without a chain after one with", "Aliasname: a\nZertifikat[1]:\n" + one(knownFingerprint) + "Zertifikat[2]:\n" + one(other) + stars +
			"Aliasname: b\nEigent\u00fcmer: CN=b\n" + one(release) + stars, []string{knownFingerprint, release}, "chain"},
		{"a package, by keytool -printcert -jarfile", "Signer #1:\n\nCertificate #1:\n" + one(knownFingerprint) + "Certificate #2:\n" + one(other) + "Signer #2:\n\nCertificate #1:\n" + one(release),
			[]string{knownFingerprint, release}, "chain"},
	} {
		path := filepath.Join(t.TempDir(), "text")
		write(t, path, tt.content)
		var got []string
		note := ""
		for _, k := range keyHashes(t, path) {
			got, note = append(got, k.Fingerprint), k.Note
		}
		if !slices.Equal(got, tt.want) || !strings.Contains(note, tt.note) || tt.note == "" && note != "" {
			t.Errorf("%s: got %q and the note %q, want %q and a note with %q", tt.name, got, note, tt.want, tt.note)
		}
	}
}

// What the command prints goes into the block apps as it is.
func TestKeyHashPrintsWhatTheConfigurationTakes(t *testing.T) {
	certificate, _ := writeCertificate(t, t.TempDir(), "release")
	printed := keyHashes(t, certificate)[0]
	dataHome(t)
	app := provisionCaddyfile(t, fmt.Sprintf("{\n\tdoorward {\n\t\tapps {\n\t\t\tandroid com.example.app %s\n\t\t}\n\t}\n}\nexample.com {\n\tdoorward\n}\n", printed.Fingerprint))
	if got := app.relyingParty("example.com").Origins; len(got) != 1 || got[0] != printed.Origin {
		t.Errorf("the relying party accepts %q, want %q", got, printed.Origin)
	}
}

func TestKeyHashSaysWhatIsNoCertificate(t *testing.T) {
	dir := t.TempDir()
	_, key := writeCertificate(t, dir, "release")
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		write(t, path, content)
		return path
	}
	for _, tt := range []struct{ name, path, want string }{
		{"a Java keystore", file("app.jks", "\xfe\xed\xfe\xed\x00\x00\x00\x02"), "keytool -exportcert -keystore " + filepath.Join(dir, "app.jks") + " -alias <alias> | doorward apk-key-hash -"},
		{"a JCEKS keystore", file("app.jceks", "\xce\xce\xce\xce\x00\x00\x00\x02"), "keytool -exportcert"},
		{"a PKCS#12 keystore", file("app.p12", "\x30\x82\x09\xee\x02\x01\x03\x30\x82"), "keytool -exportcert"},
		{"a PKCS#12 keystore of indefinite length", file("ber.p12", "\x30\x80\x02\x01\x03\x30\x80"), "keytool -exportcert"},
		{"a keystore whose name has a space", file("my app.jks", "\xfe\xed\xfe\xed"), "-keystore '" + filepath.Join(dir, "my app.jks") + "'"},
		{"a package", file("app.apk", "PK\x03\x04"), "apksigner verify --print-certs"},
		{"a private key", key, "has no certificate in it"},
		{"a broken certificate", file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "cannot be read"},
		{"a fingerprint of SHA-1", file("sha1", "SHA1: B1:2D:24:73:4D:D8:9C:70:A7:58:F3:12:85:C5:FC:FE:71:9E:B2:F2"), "neither a certificate"},
		{"a fingerprint cut short", file("short", "SHA256: "+knownFingerprint[:92]), "32 bytes"},
		{"a source stamp alone", file("stamp", "Source Stamp Signer certificate SHA-256 digest: "+strings.Repeat("ab", 32)), "no fingerprint of a certificate that signs an app; left out: that of the source stamp"},
		{"nothing", file("empty", ""), "neither a certificate"},
		{"no file", filepath.Join(dir, "missing"), "no such file"},
	} {
		output, err := runCommand("localhost:1", "apk-key-hash", "testdata/ca.pem", tt.path)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		if strings.Contains(output, knownOrigin) {
			t.Errorf("%s: half of the answer was printed: %s", tt.name, output)
		}
		if err != nil && strings.Contains(err.Error(), strings.TrimSpace(read(t, key))) {
			t.Errorf("%s: the error has the private key", tt.name)
		}
	}
}

func FuzzKeyHashes(f *testing.F) {
	known, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(known), knownFingerprint, "SHA256: " + knownFingerprint, "Certificate[2]:\nSHA256: " + knownFingerprint, "\x30\x82\x02\x01\x03", "\x30\xff", "PK\x03\x04", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		found, err := apkKeyHashes("file", content)
		if (err == nil) != (len(found) > 0) {
			t.Fatalf("%d found, error %v", len(found), err)
		}
		for _, k := range found {
			parsed, err := parseFingerprint(k.Fingerprint)
			if err != nil || parsed.String() != k.Fingerprint || parsed.origin() != k.Origin {
				t.Errorf("printed %+v, which is read as %s, %v", k, parsed, err)
			}
		}
	})
}
