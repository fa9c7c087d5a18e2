package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// The errors of URLs say nothing of what is in them: an unencoded character is
// enough to make a piece of a password look like a host, a port or a path.
var (
	errTwoUsers     = errors.New("the user is given twice, in the URL and as an option")
	errTwoPasswords = errors.New("the password is given twice, in the URL and as an option")
	errNotEncoded   = errors.New("there is an @ behind the host: percent-encode special characters in the URL, or give the password as an option")
	errManyColons   = errors.New("a host of the URL has more than one colon: IPv6 addresses stand in brackets, and special characters of the password are percent-encoded")
	errNoHosts      = errors.New("user and password are for a URL with ://")
)

// replace replaces placeholders; one that stands for nothing is an error, which
// names it if it is of a kind that cannot be a piece of a password with braces.
func replace(what, s string) (string, error) {
	replaced, err := caddy.NewReplacer().ReplaceFunc(s, func(key string, value any) (any, error) {
		if caddy.ToString(value) != "" {
			return value, nil
		}
		name := "a placeholder"
		if strings.HasPrefix(key, "env.") || strings.HasPrefix(key, "file.") {
			name = "{" + key + "}"
		}
		if strings.HasPrefix(key, "env.") {
			return nil, fmt.Errorf("%s stands for nothing: it is not in the environment that the server was started with, which a reload does not change; restart it, or use {file./path}", name)
		}
		return nil, fmt.Errorf("%s stands for nothing; a brace that is meant as such is written with a backslash before it", name)
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return replaced, nil
}

// replaceAll replaces placeholders in each of the texts.
func replaceAll(what string, texts ...*string) (err error) {
	for _, text := range texts {
		if *text, err = replace(what, *text); err != nil {
			return err
		}
	}
	return nil
}

// schemeOf returns what the place of a backend begins with: "embedded", that of
// a URL, or "" while a placeholder stands there. What it returns may be a piece
// of anything unless it is one of a list.
func schemeOf(where string) string {
	scheme, _, _ := strings.Cut(where, ":")
	switch {
	case where == "":
		return "embedded"
	case strings.Contains(scheme, "{"):
		return ""
	}
	return scheme
}

// embeddedPath returns the file of an embedded backend, and whether where names
// one.
func embeddedPath(where, name string) (path string, ok bool) {
	if schemeOf(where) != "embedded" {
		return "", false
	}
	_, path, _ = strings.Cut(where, ":")
	if path == "" {
		path = filepath.Join(dataDir(), name)
	}
	if absolute, err := filepath.Abs(path); err == nil { // one file, one pool key
		path = absolute
	}
	return path, true
}

// dataDir is where embedded state lives.
func dataDir() string { return filepath.Join(caddy.AppDataDir(), "doorward") }

// A login is the user and the password of a URL.
type login struct {
	user, password string
	hasPassword    bool
}

// cutLogin takes a URL apart: before and after are what surrounds user and
// password. net/url is of no use where there are several hosts.
func cutLogin(where string) (before string, in login, after string, err error) {
	scheme, rest, ok := strings.Cut(where, "://")
	if !ok {
		return "", login{}, "", errNoHosts
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	at := strings.LastIndex(authority, "@")
	if strings.Contains(rest[len(authority):], "@") {
		return "", login{}, "", errNotEncoded
	}
	for host := range strings.SplitSeq(authority[at+1:], ",") {
		if !strings.HasPrefix(host, "[") && strings.Count(host, ":") > 1 {
			return "", login{}, "", errManyColons
		}
	}
	user, password, hasPassword := strings.Cut(authority[:max(at, 0)], ":")
	in = login{user, password, hasPassword}
	for _, part := range []*string{&in.user, &in.password} {
		if *part, err = url.PathUnescape(*part); err != nil {
			return "", login{}, "", errNotEncoded
		}
	}
	return scheme + "://", in, rest[at+1:], nil
}

// withLogin returns the URL with a user and a password that are given apart from
// it, where they need no encoding. What both have is an error.
func withLogin(where, user, password string) (string, error) {
	before, in, after, err := cutLogin(where)
	switch {
	case err != nil:
		return "", err
	case user != "" && in.user != "":
		return "", errTwoUsers
	case password != "" && in.hasPassword:
		return "", errTwoPasswords
	case user == "" && password == "":
		return where, nil
	}
	if user != "" {
		in.user = user
	}
	if password != "" {
		in.password, in.hasPassword = password, true
	}
	if !in.hasPassword {
		return before + url.User(in.user).String() + "@" + after, nil
	}
	return before + url.UserPassword(in.user, in.password).String() + "@" + after, nil
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// outline returns a URL with a digit for each of its placeholders, which is right
// where a name, a password or a number may stand: something to judge the rest of
// the URL by before the values are known.
func outline(where string) string { return placeholder.ReplaceAllLiteralString(where, "0") }

// settled reports whether placeholders stand in a URL for nothing but the user
// and the password, so that the outline is right if and only if the URL is.
func settled(where string) bool {
	return schemeOf(where) != "" && strings.LastIndex(where, "}") <= strings.LastIndex(where, "@")
}

// isURLOf reports whether where begins with one of the schemes.
func isURLOf(where string, schemes ...string) bool {
	return slices.Contains(schemes, schemeOf(where)) && strings.Contains(where, "://")
}
