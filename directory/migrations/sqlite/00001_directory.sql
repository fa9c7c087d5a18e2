-- Times are microseconds since 1970, UTC; NULL is "never" or "not yet known".

-- +goose Up
CREATE TABLE users (
	id         TEXT    NOT NULL PRIMARY KEY,
	name       TEXT    NOT NULL,
	disabled   INTEGER NOT NULL CHECK (disabled IN (0, 1)),
	added      INTEGER NOT NULL CHECK (added IN (0, 1)),
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE emails (
	id         TEXT    NOT NULL PRIMARY KEY,
	user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	address    TEXT    NOT NULL UNIQUE,
	verified   INTEGER NOT NULL CHECK (verified IN (0, 1)),
	is_primary INTEGER NOT NULL CHECK (is_primary IN (0, 1)),
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX emails_of_user ON emails (user_id);
CREATE UNIQUE INDEX one_primary_email ON emails (user_id) WHERE is_primary;

CREATE TABLE user_groups (
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name    TEXT NOT NULL,
	PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
	id                 BLOB    NOT NULL PRIMARY KEY,
	user_id            TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	rp_id              TEXT    NOT NULL,
	name               TEXT    NOT NULL,
	public_key         BLOB    NOT NULL,
	aaguid             BLOB    NOT NULL,
	attestation_type   TEXT    NOT NULL,
	attestation_format TEXT    NOT NULL,
	attachment         TEXT    NOT NULL,
	transports         TEXT    NOT NULL, -- a JSON array
	sign_count         INTEGER NOT NULL,
	user_present       INTEGER NOT NULL CHECK (user_present IN (0, 1)),
	user_verified      INTEGER NOT NULL CHECK (user_verified IN (0, 1)),
	backup_eligible    INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
	backup_state       INTEGER NOT NULL CHECK (backup_state IN (0, 1)),
	discoverable       INTEGER NOT NULL CHECK (discoverable IN (0, 1)),
	created_at         INTEGER NOT NULL,
	last_used_at       INTEGER
) STRICT;

CREATE INDEX passkeys_of_user ON passkeys (user_id, created_at);

CREATE TABLE signing_keys (
	id         TEXT    NOT NULL PRIMARY KEY,
	algorithm  TEXT    NOT NULL,
	public     BLOB    NOT NULL,
	sealed     BLOB    NOT NULL,
	created_at INTEGER NOT NULL,
	signs_from INTEGER NOT NULL,
	retires_at INTEGER
) STRICT;

-- No foreign key: what a user did outlives the user.
CREATE TABLE events (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	at      INTEGER NOT NULL,
	type    TEXT    NOT NULL,
	user_id TEXT    NOT NULL,
	detail  TEXT    NOT NULL,
	client  TEXT    NOT NULL
) STRICT;

CREATE INDEX events_of_user ON events (user_id, id);
