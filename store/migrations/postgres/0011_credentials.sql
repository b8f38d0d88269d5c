-- When a token or key ends by itself (null: never), and when it was last used, to within some minutes.
ALTER TABLE credentials ADD COLUMN expires_at BIGINT;
ALTER TABLE credentials ADD COLUMN last_used_at BIGINT;
-- Of an enrollment key: how many probes it may enroll (null: any number), and how many it has enrolled.
ALTER TABLE credentials ADD COLUMN max_uses BIGINT;
ALTER TABLE credentials ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;
-- Of a node token: the enrollment key with which it was issued.
ALTER TABLE credentials ADD COLUMN enrolled_by BIGINT;

-- SHA-256 of the session's token, of which `id` is the first half. Null in the sessions of hubs before this migration.
ALTER TABLE sessions ADD COLUMN hash BYTEA;
