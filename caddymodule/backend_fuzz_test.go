package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No error of a backend's configuration shows the password, wherever it stands in
// the URL or beside it, and whatever stands around it: what cannot be read is where
// passwords hide.
func FuzzBackendErrorsKeepThePassword(f *testing.F) {
	for _, scheme := range []string{"redis+sentinel://", "postgres://", "smtp://"} {
		for _, around := range [][2]string{
			{"ann:", "@localhost"}, {"ann:", "/x@localhost"}, {"ann:", ":x@localhost:1/0"}, {":", "@"}, {"ann:a?", "@h"}, {"ann:a#", "@h"}, {"", ""}, {"h/", ""},
			{"h/d?password=", "&x"}, {"[", "]"}, {"ann:%", "@h"}, {"h,", ",h/d"}, {"{", "}"}, {"ann:{", "}@h"}, {"u:p{x", "}@{y}"},
		} {
			f.Add(scheme+around[0], around[1], "ann", "other")
		}
	}
	for _, scheme := range []string{"redis://", "rediss+cluster://", "unix://", "smtps:", "embedded:", "mysql://", ""} {
		f.Add(scheme+"ann:", "@localhost", "", "")
		f.Add(scheme+"localhost", "", "ann", "\x00")
	}
	const password = "Zq7Zq7Zq7"
	f.Fuzz(func(t *testing.T, before, after, user, more string) {
		where := before + password + after
		if strings.Contains(where, "{env.") || strings.Contains(where, "{file.") || strings.Contains(where, "{http.") || strings.Contains(where, "ssl") {
			return // of these, the name of what is not there is said, on purpose
		}
		apart := strings.ReplaceAll(where, password, "x") // the password as an option
		for _, in := range []struct{ url, user, password string }{{where, user, more}, {where, "", ""}, {apart, user, password}} {
			store := Store{URL: in.url, User: in.user, Password: in.password}
			errs := []error{store.validate(), store.whole()}
			if resolved, err := store.resolved(); err != nil {
				errs = append(errs, err)
			} else if isURLOf(resolved.URL, redisSchemes...) {
				_, _, err := resolved.redis()
				errs = append(errs, err)
			}
			directory := Directory{URL: in.url, User: in.user, Password: in.password}
			errs = append(errs, directory.validate())
			if resolved, err := directory.resolved(); err != nil {
				errs = append(errs, err)
			} else if isURLOf(resolved.URL, postgresSchemes...) {
				_, _, err := resolved.postgres()
				errs = append(errs, err)
			}
			mail := Mail{URL: in.url, User: in.user, Password: in.password, From: "door@example.com"}
			errs = append(errs, mail.validate())
			for _, err := range errs {
				if err != nil && strings.Contains(err.Error(), password) {
					t.Errorf("%+v: the error %q shows the password", in, err)
				}
			}
		}
	})
}

// A file that stands where a certificate or a key is expected is read as one or
// refused by its name, and no error has anything of what is in it.
func FuzzTLSFiles(f *testing.F) {
	dir := f.TempDir()
	goodCertificate, goodKey := writeCertificate(f, dir, "client")
	good, private := read(f, goodCertificate), read(f, goodKey)
	for _, s := range []string{good, private, good + private, "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", strings.Replace(good, "A", "B", 5), private[:len(private)/2], "-----BEGIN PRIVATE KEY-----\nhunter2hunter2hunter2\n-----END PRIVATE KEY-----\n"} {
		f.Add(s, private, good)
		f.Add(good, s, good)
		f.Add(good, private, s)
	}
	ca, certificate, key := filepath.Join(dir, "ca"), filepath.Join(dir, "certificate"), filepath.Join(dir, "key")
	f.Fuzz(func(t *testing.T, certificateText, keyText, caText string) {
		for path, text := range map[string]string{certificate: certificateText, key: keyText, ca: caText} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		config, _, err := (&TLS{CA: ca, Certificate: certificate, Key: key}).config()
		if err == nil {
			if config.RootCAs == nil || config.GetClientCertificate == nil {
				t.Error("no error, and not all that was asked for")
			}
			return
		}
		said := strings.NewReplacer(ca, "", certificate, "", key, "").Replace(err.Error())
		if said == err.Error() {
			t.Errorf("the error %q names no file", err)
		}
		for _, text := range []string{certificateText, keyText, caText} {
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") && strings.Contains(said, line) {
					t.Errorf("the error %q has %q of a file", err, line)
				}
			}
		}
	})
}
