-- Results that are stored but not folded yet: each row is a range of `results`. A batch has one row for each shard of the
-- peers in it.
CREATE TABLE appends (
    id          INTEGER PRIMARY KEY,
    -- The shard of the peers, by their id.
    shard       BIGINT NOT NULL,
    probe_id    BIGINT NOT NULL,
    -- The rows have greater ids than the first and at most the second. Rows of other probes may lie between them.
    after_id    BIGINT NOT NULL,
    last_id     BIGINT NOT NULL,
    -- How many results there are, and the first of their days.
    results     BIGINT NOT NULL,
    first_day   BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);

-- Results that the fold cannot apply, with the reason.
CREATE TABLE parked (
    row_id    BIGINT NOT NULL PRIMARY KEY,
    peer_id   BIGINT NOT NULL,
    probe_id  BIGINT NOT NULL,
    parked_at BIGINT NOT NULL,
    reason    TEXT NOT NULL
);

-- What one hub does at a time, where several share the database: a lease on the database's clock. The epoch grows whenever
-- the holder changes.
CREATE TABLE duties (
    name       TEXT NOT NULL PRIMARY KEY,
    holder     TEXT NOT NULL,
    epoch      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
