package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/directory"
)

func exportCommand(t *terminal) *cobra.Command {
	var output string
	var force bool
	c := &cobra.Command{
		Use: "export", Short: "Writes all users, passkeys, keys and audit records to a file", Args: cobra.NoArgs,
		Long: `
Writes everything that lasts (users, addresses, groups, passkeys, signing keys,
audit records) to a file, as it is at one moment, while the server runs. It is
a backup, and what "doorward import" reads into another directory.

The file is as confidential as the database: it holds every address and name.
The signing keys in it are sealed: without the secret, which is not in it,
nobody can sign with them, and the file cannot be imported. Keep the secret,
and keep it elsewhere.

With --output the file appears when it is complete, readable by its owner only.
Without, it goes to the standard output, which must not be a terminal.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if output == "" {
				return t.exportTo(c, c.OutOrStdout())
			}
			return t.exportFile(c, output, force)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the file to write")
	c.Flags().BoolVar(&force, "force", false, "replace the file if it is there")
	return c
}

// exportTo writes an export to w, and tells of it elsewhere.
func (t *terminal) exportTo(c *cobra.Command, w io.Writer) error {
	if isTerminal(w) {
		return errors.New("an export is nothing to look at, and confidential: say where it goes, with --output or a pipe")
	}
	summary, err := t.export(c, w)
	if err != nil {
		return err
	}
	return t.print(c.ErrOrStderr(), summary, "exported %s\n", describe(summary.Counts))
}

func (t *terminal) exportFile(c *cobra.Command, name string, force bool) error {
	f, err := createFile(name, force)
	if err != nil {
		return err
	}
	defer f.discard()
	summary, err := t.export(c, f)
	if err != nil {
		return err
	}
	if err := f.keep(); err != nil {
		return err
	}
	return t.print(c.OutOrStdout(), summary, "exported %s to %s\n", describe(summary.Counts), name)
}

// export has the server write an export to w, and makes sure that it is whole.
func (t *terminal) export(c *cobra.Command, w io.Writer) (directory.Summary, error) {
	response, err := t.request("POST", "/export", nil, nil)
	if err != nil {
		return directory.Summary{}, err
	}
	defer response.Body.Close()
	// Whoever interrupts it leaves nothing behind.
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, func() { response.Body.Close() })()

	m := newMeter(c.ErrOrStderr(), "exporting")
	defer m.end()
	summary, err := directory.Verify(io.TeeReader(response.Body, w), func(p directory.Progress) {
		m.update(p.Done.Records(), p.Total.Records())
	})
	var disk *fs.PathError
	switch {
	case ctx.Err() != nil:
		return directory.Summary{}, errors.New("interrupted")
	case errors.As(err, &disk):
		return directory.Summary{}, disk
	case err != nil:
		return directory.Summary{}, fmt.Errorf("the server broke off, and its log says why: %w", err)
	}
	return summary, nil
}

func importCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: "import <file>", Short: "Reads an export into a directory without users", Args: cobra.ExactArgs(1),
		Long: `
Reads a file of "doorward export" into the directory of the running server, all
of it or nothing. The directory must have no users yet. Which database either
is in does not matter.

The server needs the secret of the installation that the file is from, to open
its signing keys: put it behind its own one, as in secret {new} {old}.

While an import runs, nobody can sign in. A file called - is the standard
input.`,
		RunE: func(c *cobra.Command, args []string) error {
			summary, err := t.importFile(c, args[0])
			if err != nil {
				return err
			}
			return t.print(c.OutOrStdout(), summary, "imported %s\n", describe(summary.Counts))
		},
	}
}

func (t *terminal) importFile(c *cobra.Command, name string) (directory.Summary, error) {
	if name == "-" {
		return t.send(c, c.InOrStdin(), 0)
	}
	f, err := os.Open(name)
	if err != nil {
		return directory.Summary{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return directory.Summary{}, err
	}
	if !info.Mode().IsRegular() {
		return t.send(c, f, 0)
	}
	// Before the server turns others away for it.
	m := newMeter(c.ErrOrStderr(), "checking")
	found, err := directory.Verify(f, func(p directory.Progress) { m.update(p.Done.Records(), p.Total.Records()) })
	m.end()
	if err != nil {
		return directory.Summary{}, readable(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return directory.Summary{}, err
	}
	return t.send(c, f, found.Records())
}

// send has the server import what r holds: total records, or 0 if that is not
// known.
func (t *terminal) send(c *cobra.Command, r io.Reader, total int64) (directory.Summary, error) {
	m := newMeter(c.ErrOrStderr(), "importing")
	defer m.end()
	var lines int64
	body := readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		lines += int64(bytes.Count(p[:n], []byte("\n")))
		m.update(lines, total)
		return n, err
	})
	var summary directory.Summary
	err := t.askWith("POST", "/import", http.Header{"Content-Type": {"application/jsonl"}}, body, &summary)
	return summary, err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
