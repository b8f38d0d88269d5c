-- Up to this row a dependent passes on also results that came from its primary: the primary was restored from a backup, and
-- does not have them any more.
ALTER TABLE instance ADD COLUMN forward_all_to BIGINT NOT NULL DEFAULT 0;
