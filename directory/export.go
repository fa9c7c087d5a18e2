package directory

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash"
	"io"
)

// exportPage is how many users or audit records one query reads, and so how
// many are in memory at the same time.
const exportPage = 500

// Export writes everything that the directory holds to w, as it is at one
// moment, in the format that Import reads. What others write meanwhile is
// neither hindered nor in the file. Memory does not grow with the directory.
//
// progress may be nil. It is called every few hundred lines.
//
// What Export did not finish lacks the last line, and is refused by Verify and
// by Import.
func (d *Directory) Export(ctx context.Context, w io.Writer, progress func(Progress)) (Summary, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	e := &exporter{
		w: bufio.NewWriterSize(w, 1<<16), sum: sha256.New(), progress: progress,
		header: fileHeader{Format: fileFormat, Version: fileVersion, CreatedAt: fileTime(d.moment()), Program: programVersion()},
	}
	err := d.snapshot(ctx, func(tx *sql.Tx) error {
		for _, write := range []func(context.Context, *sql.Tx) error{e.begin, e.keys, e.users, e.events, e.end} {
			if err := write(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Summary{}, fmt.Errorf("exporting: %w", err)
	}
	return e.header.summary(), nil
}

// snapshot has look read the database as it is at one moment, for as long as it
// takes.
func (d *Directory) snapshot(ctx context.Context, look func(*sql.Tx) error) error {
	db, err := d.opened()
	if err != nil {
		return err
	}
	// SQLite has snapshots only, whatever they are called.
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // there is nothing to commit
	if db.beginExport != "" {
		if _, err := tx.ExecContext(ctx, db.beginExport); err != nil {
			return err
		}
	}
	return look(tx)
}

// An exporter writes one file.
type exporter struct {
	w        *bufio.Writer
	sum      hash.Hash // of all lines so far
	line     bytes.Buffer
	progress func(Progress)

	header fileHeader
	done   Counts
}

// write adds a line.
func (e *exporter) write(l fileLine) error {
	e.line.Reset()
	encoder := json.NewEncoder(&e.line) // ends it with a line feed
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil {
		return err
	}
	if e.line.Len() > maxLine {
		return fmt.Errorf("a line of %d bytes, of which none has more than %d", e.line.Len(), maxLine)
	}
	if l.Footer == nil {
		e.sum.Write(e.line.Bytes())
	}
	_, err := e.w.Write(e.line.Bytes())
	return err
}

// begin counts what is there, and writes the header.
func (e *exporter) begin(ctx context.Context, tx *sql.Tx) error {
	c := &e.header.Counts
	err := tx.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM emails), (SELECT count(*) FROM user_groups),
			(SELECT count(*) FROM passkeys), (SELECT count(*) FROM signing_keys), (SELECT count(*) FROM events),
			(SELECT COALESCE(max(id), 0) FROM events)`).
		Scan(&c.Users, &c.Addresses, &c.Groups, &c.Passkeys, &c.Keys, &c.Events, &e.header.LastEventID)
	if err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	return e.write(fileLine{Header: &e.header})
}

func (e *exporter) keys(ctx context.Context, tx *sql.Tx) error {
	all, err := rows(ctx, tx, scanKey, selectKeys)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	for _, k := range all {
		if err := e.write(fileLine{Key: newFileKey(k)}); err != nil {
			return fmt.Errorf("writing key %s: %w", k.ID, err)
		}
		e.done.Keys++
	}
	return nil
}

func (e *exporter) users(ctx context.Context, tx *sql.Tx) error {
	for after := ""; ; {
		found, err := rows(ctx, tx, scanUser, selectUsers(page), after, exportPage)
		if err != nil {
			return fmt.Errorf("reading users: %w", err)
		}
		if len(found) == 0 {
			return nil
		}
		last := found[len(found)-1].ID
		passkeys, err := rows(ctx, tx, scanPasskey,
			selectPasskey+` WHERE user_id > $1 AND user_id <= $2 ORDER BY user_id, created_at, id`, after, last)
		if err != nil {
			return fmt.Errorf("reading passkeys: %w", err)
		}
		for _, u := range wholeUsers(found) {
			n := 0
			for n < len(passkeys) && passkeys[n].UserID == u.ID {
				n++
			}
			if err := e.user(u, passkeys[:n]); err != nil {
				return fmt.Errorf("writing user %s: %w", u.ID, err)
			}
			passkeys = passkeys[n:]
		}
		after = last
		e.progress(Progress{e.done, e.header.Counts})
	}
}

func (e *exporter) user(u User, passkeys []Passkey) error {
	e.done.Users++
	e.done.Addresses += int64(len(u.Emails))
	e.done.Groups += int64(len(u.Groups))
	e.done.Passkeys += int64(len(passkeys))
	return e.write(fileLine{User: newFileUser(u, passkeys)})
}

func (e *exporter) events(ctx context.Context, tx *sql.Tx) error {
	for after := int64(0); ; {
		found, err := rows(ctx, tx, scanEvent, selectEvents+` WHERE id > $1 ORDER BY id LIMIT $2`, after, exportPage)
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		if len(found) == 0 {
			return nil
		}
		for _, event := range found {
			if err := e.write(fileLine{Event: newFileEvent(event)}); err != nil {
				return fmt.Errorf("writing event %d: %w", event.ID, err)
			}
			e.done.Events++
		}
		after = found[len(found)-1].ID
		e.progress(Progress{e.done, e.header.Counts})
	}
}

// end writes the footer, without which the file is worth nothing.
func (e *exporter) end(context.Context, *sql.Tx) error {
	if e.done != e.header.Counts { // a passkey without a user, say
		return fmt.Errorf("read %+v, where %+v had been counted", e.done, e.header.Counts)
	}
	if err := e.write(fileLine{Footer: &fileFooter{e.done, e.sum.Sum(nil)}}); err != nil {
		return err
	}
	return e.w.Flush()
}
