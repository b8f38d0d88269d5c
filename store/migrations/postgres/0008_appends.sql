-- Results that are stored but not folded yet. A batch has one row for each shard of the peers in it. The rows of a probe are
-- numbered in the order in which they were stored. The fold needs nothing but these: raw results may expire before it.
CREATE TABLE appends (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The shard of the peers, by their id.
    shard       BIGINT NOT NULL,
    probe_id    BIGINT NOT NULL,
    region_id   BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    results     BIGINT NOT NULL,
    -- What the fold needs of them, packed; see fold/packed.rs.
    packed      BYTEA NOT NULL
);

-- They are deleted within a second, so compressing them would be a waste.
ALTER TABLE appends ALTER COLUMN packed SET STORAGE EXTERNAL;

-- Results that the fold cannot apply, with the reason.
CREATE TABLE parked (
    result_id UUID NOT NULL PRIMARY KEY,
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
