-- What the operator changed while hubs run, which all hubs on this database go by.
CREATE TABLE tuning (
    -- As the configuration calls it, such as RESULT_RETENTION.
    name       TEXT PRIMARY KEY,
    -- As one would write it there.
    value      TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
