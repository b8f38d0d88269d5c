-- When a submission was last changed, so that two operators who edit it at the same time do not overwrite each other. 0: it never
-- was, as far as is known.
ALTER TABLE submissions ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
