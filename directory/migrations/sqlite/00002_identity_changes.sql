-- Whose identity changed, and in which order: see Directory.Changes. One row for each
-- user who ever changed. No foreign key: that a user is gone is a change.
--
-- Triggers note it, so that changes made by hand are found as well. They use ON CONFLICT
-- and not OR REPLACE, which another OR in the statement that was made by hand would
-- override. What REPLACE removes fires no trigger for DELETE: the triggers BEFORE name it.

-- +goose Up
CREATE TABLE identity_changes (
	user_id TEXT    NOT NULL PRIMARY KEY,
	n       INTEGER NOT NULL -- grows with every change
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_changes_in_order ON identity_changes (n);

-- +goose StatementBegin
CREATE TRIGGER user_changed AFTER UPDATE OF id, name, disabled, added ON users
WHEN OLD.id IS NOT NEW.id OR OLD.name IS NOT NEW.name OR OLD.disabled IS NOT NEW.disabled OR OLD.added IS NOT NEW.added
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (OLD.id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
	INSERT INTO identity_changes (user_id, n)
	VALUES (NEW.id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER user_removed AFTER DELETE ON users
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (OLD.id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER user_replaced BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users WHERE id = NEW.id)
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (NEW.id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER email_added AFTER INSERT ON emails
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (NEW.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER email_changed AFTER UPDATE OF user_id, address, verified, is_primary ON emails
WHEN OLD.user_id IS NOT NEW.user_id OR OLD.address IS NOT NEW.address
	OR OLD.verified IS NOT NEW.verified OR OLD.is_primary IS NOT NEW.is_primary
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (OLD.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
	INSERT INTO identity_changes (user_id, n)
	VALUES (NEW.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER email_removed AFTER DELETE ON emails
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (OLD.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER email_replaced_by_new BEFORE INSERT ON emails
BEGIN
	INSERT INTO identity_changes (user_id, n)
	SELECT user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes) FROM emails
	WHERE (id = NEW.id OR address = NEW.address) AND user_id <> NEW.user_id
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER email_replaced BEFORE UPDATE OF id, address ON emails
BEGIN
	INSERT INTO identity_changes (user_id, n)
	SELECT user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes) FROM emails
	WHERE (id = NEW.id OR address = NEW.address) AND user_id <> NEW.user_id
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER group_added AFTER INSERT ON user_groups
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (NEW.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER group_changed AFTER UPDATE ON user_groups
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (OLD.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
	INSERT INTO identity_changes (user_id, n)
	VALUES (NEW.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER group_removed AFTER DELETE ON user_groups
BEGIN
	INSERT INTO identity_changes (user_id, n)
	VALUES (OLD.user_id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes))
	ON CONFLICT (user_id) DO UPDATE SET n = excluded.n;
END;
-- +goose StatementEnd
