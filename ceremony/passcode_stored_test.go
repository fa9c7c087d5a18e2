package ceremony_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
)

// showings returns what whoever reads the store could find a passcode by: itself,
// and every hash of it that needs no key, which is undone by trying the million
// passcodes.
func showings(id, code, binding string) map[string][]byte {
	shown := map[string][]byte{"the passcode": []byte(code), "the browser's binding": []byte(binding)}
	for name, text := range map[string]string{"the passcode": code, "ID and passcode": id + code, "passcode and ID": code + id} {
		md5, sha1, sha256, sha512 := md5.Sum([]byte(text)), sha1.Sum([]byte(text)), sha256.Sum256([]byte(text)), sha512.Sum512([]byte(text))
		shown["MD5 of "+name], shown["SHA-1 of "+name] = md5[:], sha1[:]
		shown["SHA-256 of "+name], shown["SHA-512 of "+name] = sha256[:], sha512[:]
	}
	mac := hmac.New(sha256.New, []byte(id))
	mac.Write([]byte(code))
	shown["HMAC keyed by the ID"] = mac.Sum(nil)
	return shown
}

// containsAny reports whether value holds secret, as it is or encoded.
func containsAny(value, secret []byte) bool {
	for _, form := range [][]byte{
		secret, []byte(hex.EncodeToString(secret)),
		[]byte(base64.StdEncoding.EncodeToString(secret)), []byte(base64.RawURLEncoding.EncodeToString(secret)),
	} {
		if bytes.Contains(value, form) {
			return true
		}
	}
	return false
}
