package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
)

// ImportOptions configure Import.
type ImportOptions struct {
	// Key is called for each signing key in the file, and returns it as it shall
	// be kept: it may put off RetiresAt, and must leave the rest. An error refuses
	// the file, and Import returns it, wrapped: the key does not open with the
	// secrets that there are. The directory cannot tell. Without Key no key is
	// looked at.
	Key func(Key) (Key, error)

	// Progress is called every few hundred lines. It must not use the directory.
	Progress func(Progress)
}

// Import reads a file of Export into a directory without users. It does all of
// it or nothing, also where the process is killed: an error of Import has left
// no trace, except that a connection which is lost while the database commits
// leaves open whether it did.
//
// It returns ErrNotEmpty if there are users already, and ErrFile for what is no
// whole file of Export, or holds something that the directory's rules do not
// allow: that may be wrapped together with ErrTaken, ErrAddress, ErrName or
// ErrGroup. A file that is made to do harm can break no rule, and makes Import
// hold no more than some lines in memory.
//
// IDs, times and flags are kept as they are in the file. Keys and audit records
// that the directory has stay; its audit records get new IDs, greater than all
// in the file.
//
// While it runs, which takes minutes for a million users, what others would
// write waits, and fails in the end. They can read.
func (d *Directory) Import(ctx context.Context, r io.Reader, o ImportOptions) (Summary, error) {
	if o.Key == nil {
		o.Key = func(k Key) (Key, error) { return k, nil }
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	summary, err := d.importFile(ctx, r, o)
	if err != nil {
		return Summary{}, fmt.Errorf("importing: %w", err)
	}
	return summary, nil
}

func (d *Directory) importFile(ctx context.Context, r io.Reader, o ImportOptions) (Summary, error) {
	db, err := d.opened()
	if err != nil {
		return Summary{}, err
	}
	file, err := readFile(r)
	if err != nil {
		return Summary{}, err
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return Summary{}, err
	}
	defer conn.Close()
	if db.afterImport != nil {
		defer db.afterImport(context.WithoutCancel(ctx), conn)
	}
	// Not d.write: a file cannot be read twice, and takes as long as it takes.
	err = db.transactOn(ctx, conn, func(ctx context.Context, tx *sql.Tx) error {
		i := newImporter(d, db, conn, tx, file, o)
		for _, step := range []func(context.Context) error{i.begin, i.records, i.end} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Summary{}, err
	}
	return file.header.summary(), nil
}

// An importer reads one file in one transaction.
type importer struct {
	d    *Directory
	db   *database
	tx   *sql.Tx
	file *fileReader
	o    ImportOptions

	keys      map[string]Key  // that were there
	added     map[string]bool // IDs of keys of the file
	lastEvent int64           // the ID of the event before

	watch *watch // what notes changes when all is written; nil where each is noted as it is made
	bulk  *bulk
	held  int // bytes of lines that have come since the last flush

	users, emails, groups, passkeys, events *bulkTable
}

// importHold is how many bytes of lines are held before they are written,
// however few rows that is.
const importHold = 4 << 20

func newImporter(d *Directory, db *database, conn *sql.Conn, tx *sql.Tx, file *fileReader, o ImportOptions) *importer {
	i := &importer{
		d: d, db: db, tx: tx, file: file, o: o,
		keys: make(map[string]Key), added: make(map[string]bool),
		users:    newBulkTable("users", `id, name, disabled, added, created_at, updated_at`),
		emails:   newBulkTable("emails", `id, user_id, address, verified, is_primary, created_at, updated_at`),
		groups:   newBulkTable("user_groups", `user_id, name`),
		passkeys: newBulkTable("passkeys", passkeyColumns),
		events:   newBulkTable("events", `id, at, type, user_id, detail, client`),
	}
	i.bulk = &bulk{conn, tx, db.copy, []*bulkTable{i.users, i.emails, i.groups, i.passkeys, i.events}}
	return i
}

// begin locks out whoever else would write, and looks whether the directory is
// one to import into.
func (i *importer) begin(ctx context.Context) error {
	if i.db.beginImport != "" {
		if _, err := i.tx.ExecContext(ctx, i.db.beginImport); err != nil {
			return fmt.Errorf("locking: %w", err)
		}
	}
	if i.db.unwatch != nil {
		var err error
		if i.watch, err = i.db.unwatch(ctx, i.tx); err != nil {
			return fmt.Errorf("stopping triggers: %w", err)
		}
	}
	users, err := rows(ctx, i.tx, scanOne, `SELECT 1 FROM users LIMIT 1`)
	if err != nil {
		return fmt.Errorf("looking for users: %w", err)
	}
	if len(users) > 0 {
		return ErrNotEmpty
	}
	keys, err := rows(ctx, i.tx, scanKey, selectKeys)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	for _, k := range keys {
		i.keys[k.ID] = k
	}
	return i.moveEvents(ctx)
}

// moveEvents makes room for the audit records of the file, which are older than
// those of a directory that has no users yet.
func (i *importer) moveEvents(ctx context.Context) error {
	var last int64
	if err := i.tx.QueryRowContext(ctx, `SELECT COALESCE(max(id), 0) FROM events`).Scan(&last); err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	if last == 0 || i.file.header.LastEventID == 0 {
		return nil
	}
	_, err := i.tx.ExecContext(ctx, `
		INSERT INTO events (id, at, type, user_id, detail, client) `+i.db.overriding+`
		SELECT id + $1, at, type, user_id, detail, client FROM events ORDER BY id`, max(last, i.file.header.LastEventID))
	if err != nil {
		return fmt.Errorf("moving events: %w", err)
	}
	if _, err := i.tx.ExecContext(ctx, `DELETE FROM events WHERE id <= $1`, last); err != nil {
		return fmt.Errorf("moving events: %w", err)
	}
	return nil
}

// records writes everything that the file holds.
func (i *importer) records(ctx context.Context) error {
	for first := i.file.n + 1; ; {
		l, err := i.file.next()
		if err != nil && err != io.EOF {
			return err
		}
		whole := err == io.EOF
		if !whole {
			if err := i.record(ctx, l); err != nil {
				return err
			}
		}
		if i.held += i.file.size; !whole && i.held < importHold && !i.bulk.full() {
			continue
		}
		if err := i.bulk.flush(ctx); err != nil {
			if errors.Is(err, ErrTaken) {
				return fmt.Errorf("%w: lines %d to %d: %w", ErrFile, first, i.file.n, err)
			}
			return err
		}
		i.o.Progress(Progress{i.file.done, i.file.header.Counts})
		if whole {
			return nil
		}
		first, i.held = i.file.n+1, 0
	}
}

func (i *importer) record(ctx context.Context, l fileLine) error {
	switch {
	case l.Key != nil:
		return i.key(ctx, l.Key)
	case l.User != nil:
		return i.user(l.User)
	}
	return i.event(l.Event)
}

// refuse returns ErrFile with why the line cannot be imported.
func (i *importer) refuse(why error) error {
	return fmt.Errorf("%w: line %d: %w", ErrFile, i.file.n, why)
}

// key adds a key at once: there are few, and one that is refused shall be so
// before anything else is read.
func (i *importer) key(ctx context.Context, f *fileKey) error {
	k, err := f.key()
	if err != nil {
		return i.refuse(err)
	}
	there, ok := i.keys[k.ID]
	if i.added[k.ID] || ok && !there.same(k) {
		return i.refuse(fmt.Errorf("key %q: %w", k.ID, ErrTaken))
	}
	i.added[k.ID] = true
	if k, err = i.o.Key(k); err != nil {
		return fmt.Errorf("line %d: key %q: %w", i.file.n, k.ID, err)
	}
	if ok {
		return nil // what is there may be newer
	}
	return i.d.insertKey(ctx, i.tx, k)
}

func (i *importer) user(f *fileUser) error {
	u, passkeys, err := f.user()
	if err != nil {
		return i.refuse(err)
	}
	i.users.add(u.ID, u.Name, u.Disabled, u.Added, micros(u.CreatedAt), micros(u.UpdatedAt))
	for _, e := range u.Emails {
		i.emails.add(e.ID, u.ID, string(e.Address), e.Verified, e.Primary, micros(e.CreatedAt), micros(e.UpdatedAt))
	}
	for _, group := range u.Groups {
		i.groups.add(u.ID, group)
	}
	for _, p := range passkeys {
		i.passkeys.add(p.values()...)
	}
	return nil
}

func (i *importer) event(f *fileEvent) error {
	e, err := f.event(i.lastEvent, i.file.header.LastEventID)
	if err != nil {
		return i.refuse(err)
	}
	i.lastEvent = e.ID
	i.events.add(e.ID, micros(e.At), e.Type, e.UserID, e.Detail, e.Client)
	return nil
}

// end has the database go on counting behind what was imported.
func (i *importer) end(ctx context.Context) error {
	if i.lastEvent != i.file.header.LastEventID {
		return fmt.Errorf("%w: line 1: its last_event_id is not that of the last audit record", ErrFile)
	}
	if i.watch != nil {
		if err := i.watch.resume(ctx, i.tx); err != nil {
			return fmt.Errorf("noting changes: %w", err)
		}
	}
	if i.db.endImport == "" {
		return nil
	}
	_, err := i.tx.ExecContext(ctx, i.db.endImport)
	return err
}
