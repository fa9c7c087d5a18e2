-- Whose identity changed, and in which transaction: see Directory.Changes. No foreign
-- key: that a user is gone is a change.
--
-- A user has one row, and some more if transactions have changed them that ran at the
-- same time. Each has its own, and takes older ones away unless another one is about to,
-- so that noting a change waits for nobody: whoever edits by hand would otherwise stop
-- everybody who changes the same user, or meet them in a deadlock.
--
-- Triggers note it, so that changes made by hand are found as well. Who makes them need
-- not have this table in their search_path, nor a privilege for it. The functions look
-- only where the tables are made, and last where anybody can make one (pg_temp).

-- +goose Up
LOCK TABLE users, emails, user_groups IN SHARE ROW EXCLUSIVE MODE; -- in the order in which everybody writes
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE TABLE identity_changes (
	user_id TEXT COLLATE "C" NOT NULL,
	tx      BIGINT           NOT NULL, -- txid_current()
	PRIMARY KEY (user_id, tx)
);

CREATE INDEX identity_changes_in_order ON identity_changes (tx);

-- The plans of a function are kept, and may be made while the table is small, where an
-- index seems of no use.
-- +goose StatementBegin
CREATE FUNCTION note_identity_changes(changed TEXT[]) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
	INSERT INTO identity_changes (user_id, tx)
	SELECT DISTINCT id, txid_current() FROM unnest(changed) AS id WHERE id IS NOT NULL
	ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	BEGIN -- who has not seen the older rows has not seen this transaction
		DELETE FROM identity_changes WHERE (user_id, tx) IN (
			SELECT c.user_id, c.tx FROM identity_changes c
			WHERE c.user_id = ANY (changed) AND c.tx <> txid_current() FOR UPDATE SKIP LOCKED);
	EXCEPTION WHEN serialization_failure THEN
		NULL; -- this transaction sees tables of before, and another has taken them away since
	END;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION note_changed_user() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM note_identity_changes(ARRAY[OLD.id]);
	ELSE
		PERFORM note_identity_changes(ARRAY[OLD.id, NEW.id]);
	END IF;
	RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION note_changed_users_row() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM note_identity_changes(ARRAY[OLD.user_id]);
	ELSE
		PERFORM note_identity_changes(ARRAY[OLD.user_id, NEW.user_id]);
	END IF;
	RETURN NULL;
END
$$;
-- +goose StatementEnd

-- For many rows at once, as an import brings them.
-- +goose StatementBegin
CREATE FUNCTION note_users_of_new_rows() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM note_identity_changes((SELECT array_agg(DISTINCT user_id) FROM new_rows));
	RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION note_all_users() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM note_identity_changes((SELECT array_agg(id) FROM users));
	RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER user_changed AFTER UPDATE OF id, name, disabled, added ON users FOR EACH ROW
WHEN ((OLD.id, OLD.name, OLD.disabled, OLD.added) IS DISTINCT FROM (NEW.id, NEW.name, NEW.disabled, NEW.added))
EXECUTE FUNCTION note_changed_user();

CREATE TRIGGER user_removed AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION note_changed_user();

CREATE TRIGGER email_changed AFTER UPDATE OF user_id, address, verified, is_primary ON emails FOR EACH ROW
WHEN ((OLD.user_id, OLD.address, OLD.verified, OLD.is_primary)
	IS DISTINCT FROM (NEW.user_id, NEW.address, NEW.verified, NEW.is_primary))
EXECUTE FUNCTION note_changed_users_row();

CREATE TRIGGER email_removed AFTER DELETE ON emails FOR EACH ROW EXECUTE FUNCTION note_changed_users_row();

CREATE TRIGGER group_changed AFTER UPDATE OR DELETE ON user_groups FOR EACH ROW EXECUTE FUNCTION note_changed_users_row();

CREATE TRIGGER emails_added AFTER INSERT ON emails REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_users_of_new_rows();

CREATE TRIGGER groups_added AFTER INSERT ON user_groups REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_users_of_new_rows();

-- TRUNCATE fires no trigger for DELETE.
CREATE TRIGGER users_emptied BEFORE TRUNCATE ON users EXECUTE FUNCTION note_all_users();
CREATE TRIGGER emails_emptied BEFORE TRUNCATE ON emails EXECUTE FUNCTION note_all_users();
CREATE TRIGGER groups_emptied BEFORE TRUNCATE ON user_groups EXECUTE FUNCTION note_all_users();

-- What a subscription brings along fires no trigger for a statement.
CREATE TRIGGER email_replicated AFTER INSERT ON emails FOR EACH ROW EXECUTE FUNCTION note_changed_users_row();
CREATE TRIGGER group_replicated AFTER INSERT ON user_groups FOR EACH ROW EXECUTE FUNCTION note_changed_users_row();
ALTER TABLE emails ENABLE REPLICA TRIGGER email_replicated;
ALTER TABLE user_groups ENABLE REPLICA TRIGGER group_replicated;
ALTER TABLE users ENABLE ALWAYS TRIGGER user_changed;
ALTER TABLE users ENABLE ALWAYS TRIGGER user_removed;
ALTER TABLE emails ENABLE ALWAYS TRIGGER email_changed;
ALTER TABLE emails ENABLE ALWAYS TRIGGER email_removed;
ALTER TABLE user_groups ENABLE ALWAYS TRIGGER group_changed;
ALTER TABLE emails ENABLE ALWAYS TRIGGER emails_added;
ALTER TABLE user_groups ENABLE ALWAYS TRIGGER groups_added;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_emptied;
ALTER TABLE emails ENABLE ALWAYS TRIGGER emails_emptied;
ALTER TABLE user_groups ENABLE ALWAYS TRIGGER groups_emptied;

-- Whoever may execute a function may make it the trigger of a table of their own, and have
-- it run there with our privileges. Firing a trigger asks for none.
REVOKE EXECUTE ON FUNCTION note_identity_changes(TEXT[]), note_changed_user(), note_changed_users_row(),
	note_users_of_new_rows(), note_all_users() FROM PUBLIC;
