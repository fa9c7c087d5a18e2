package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
)

// stallTimeout is how long whoever takes an export or sends an import may be
// silent. The one keeps the database from cleaning up, the other keeps everybody
// from writing.
const stallTimeout = 2 * time.Minute

// errForeignKey refuses a file with a signing key that this installation cannot
// use. A key set with such a key in it could not be read at all.
var errForeignKey = errors.New("a signing key in the file cannot be used here")

// serveExport answers with an export. Where that breaks off, so does the answer,
// without its last line: nobody takes it for whole.
func serveExport(w http.ResponseWriter, r *http.Request) {
	app, err := runningApp()
	if err != nil {
		writeAdmin(w, nil, err)
		return
	}
	body := newSteadyWriter(w)
	defer body.done()
	switch err := app.operator().export(r.Context(), body); {
	case err == nil:
	case !body.begun:
		writeAdmin(w, nil, err)
	default:
		if r.Context().Err() == nil {
			app.logger.Error("export broke off", "error", err.Error())
		}
		panic(http.ErrAbortHandler) // or what was written would look complete to HTTP
	}
}

// serveImport reads an export from the request.
func serveImport(w http.ResponseWriter, r *http.Request) {
	app, err := runningApp()
	if err != nil {
		writeAdmin(w, nil, err)
		return
	}
	summary, err := app.operator().importFile(r.Context(), newSteadyReader(w, r.Body))
	writeAdmin(w, summary, err)
}

// export writes everything that lasts to w. That somebody took it is recorded
// first: what has left is out, also when the rest breaks off.
func (o operator) export(ctx context.Context, w io.Writer) error {
	if err := o.note(ctx, "", "exported", ""); err != nil {
		return err
	}
	_, err := o.directory.Export(ctx, w, nil)
	return err
}

// importFile reads an export into a directory without users. What has to follow
// is done also for a client that hangs up.
func (o operator) importFile(ctx context.Context, r io.Reader) (directory.Summary, error) {
	summary, err := o.directory.Import(ctx, r, directory.ImportOptions{Key: o.adoptKey})
	if err != nil {
		return directory.Summary{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	err = errors.Join(o.keys.Adopted(ctx), o.note(ctx, "", "imported", describe(summary.Counts)))
	if err != nil {
		return directory.Summary{}, fmt.Errorf("the import is made, but what follows it failed: %w", err)
	}
	return summary, nil
}

// adoptKey returns a key of a file as it is to be kept.
func (o operator) adoptKey(k directory.Key) (directory.Key, error) {
	kept, err := o.keys.Adopt(session.StoredKey(k))
	if errors.Is(err, secret.ErrOtherSecret) {
		return k, fmt.Errorf("%w: %w: put the secret of the old installation behind the one of this: secret {new} {old}", errForeignKey, err)
	}
	if err != nil {
		return k, fmt.Errorf("%w: %w", errForeignKey, err)
	}
	return directory.Key(kept), nil
}

// describe says in words what a file holds.
func describe(c directory.Counts) string {
	return fmt.Sprintf("%s, %s, %s, %s", plural(c.Users, "user"), plural(c.Passkeys, "passkey"), plural(c.Keys, "key"), plural(c.Events, "event"))
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
