-- Times are microseconds since 1970, UTC; NULL is "never" or "not yet known".
--
-- Text that an index holds is compared byte by byte (COLLATE "C"): two addresses
-- are one only if they are the same, and the order of an index does not change
-- when the operating system learns to sort a language in another way.

-- +goose Up
CREATE TABLE users (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	name       TEXT             NOT NULL,
	disabled   BOOLEAN          NOT NULL,
	added      BOOLEAN          NOT NULL,
	created_at BIGINT           NOT NULL,
	updated_at BIGINT           NOT NULL
);

CREATE TABLE emails (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	address    TEXT COLLATE "C" NOT NULL UNIQUE,
	verified   BOOLEAN          NOT NULL,
	is_primary BOOLEAN          NOT NULL,
	created_at BIGINT           NOT NULL,
	updated_at BIGINT           NOT NULL
);

CREATE INDEX emails_of_user ON emails (user_id);
CREATE UNIQUE INDEX one_primary_email ON emails (user_id) WHERE is_primary;

CREATE TABLE user_groups (
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name    TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (user_id, name)
);

CREATE TABLE passkeys (
	id                 BYTEA            NOT NULL PRIMARY KEY,
	user_id            TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	rp_id              TEXT             NOT NULL,
	name               TEXT             NOT NULL,
	public_key         BYTEA            NOT NULL,
	aaguid             BYTEA            NOT NULL,
	attestation_type   TEXT             NOT NULL,
	attestation_format TEXT             NOT NULL,
	attachment         TEXT             NOT NULL,
	transports         TEXT             NOT NULL, -- a JSON array
	sign_count         BIGINT           NOT NULL,
	user_present       BOOLEAN          NOT NULL,
	user_verified      BOOLEAN          NOT NULL,
	backup_eligible    BOOLEAN          NOT NULL,
	backup_state       BOOLEAN          NOT NULL,
	discoverable       BOOLEAN          NOT NULL,
	created_at         BIGINT           NOT NULL,
	last_used_at       BIGINT
);

CREATE INDEX passkeys_of_user ON passkeys (user_id, created_at);

CREATE TABLE signing_keys (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	algorithm  TEXT             NOT NULL,
	public     BYTEA            NOT NULL,
	sealed     BYTEA            NOT NULL,
	created_at BIGINT           NOT NULL,
	signs_from BIGINT           NOT NULL,
	retires_at BIGINT
);

-- No foreign key: what a user did outlives the user.
CREATE TABLE events (
	id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      BIGINT           NOT NULL,
	type    TEXT             NOT NULL,
	user_id TEXT COLLATE "C" NOT NULL,
	detail  TEXT             NOT NULL,
	client  TEXT             NOT NULL
);

CREATE INDEX events_of_user ON events (user_id, id);
