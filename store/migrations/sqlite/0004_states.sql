-- What the regions together say about a peer; every peer has a row. No index but the key: all columns change with every
-- result, and what is due for review is looked for only every few seconds.
CREATE TABLE peer_states (
    peer_id         BIGINT NOT NULL PRIMARY KEY REFERENCES peers (id) ON DELETE CASCADE,
    -- 0 unknown, 1 down, 2 partial, 3 up
    verdict         BIGINT NOT NULL,
    since           BIGINT NOT NULL,
    -- When evidence goes stale next; null without any.
    review_at       BIGINT,
    last_check_at   BIGINT,
    -- The median over fresh regions.
    response_us     BIGINT,
    version         TEXT,
    -- Networks on the node as last measured, and how many of them are sessions that probes hold.
    network_count   BIGINT,
    held_sessions   BIGINT NOT NULL,
    -- Checks in the newest quarter of an hour; those before it are in `rings`.
    quarter         BIGINT NOT NULL,
    quarter_checks  BIGINT NOT NULL,
    quarter_healthy BIGINT NOT NULL,
    -- The evidence by region and probe: JSON, see consensus.rs.
    evidence        TEXT NOT NULL
) WITHOUT ROWID;

-- The last 96 quarters of an hour, packed; apart from peer_states because they change once a quarter.
CREATE TABLE rings (
    peer_id BIGINT NOT NULL PRIMARY KEY REFERENCES peers (id) ON DELETE CASCADE,
    newest  BIGINT NOT NULL,
    counts  BLOB NOT NULL
) WITHOUT ROWID;

-- Peers by region for callers that claim batches; filled for a region when somebody claims there.
CREATE TABLE leases (
    region_id    BIGINT NOT NULL,
    peer_id      BIGINT NOT NULL,
    checked_at   BIGINT NOT NULL,
    leased_at    BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    leased_by    BIGINT,
    PRIMARY KEY (region_id, peer_id)
) WITHOUT ROWID;

CREATE INDEX leases_due ON leases (region_id, checked_at, peer_id);

CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         BIGINT NOT NULL,
    -- 'peer' or 'probe'
    kind       TEXT NOT NULL,
    subject_id BIGINT NOT NULL,
    was        TEXT NOT NULL,
    became     TEXT NOT NULL,
    detail     TEXT NOT NULL
);

CREATE INDEX events_subject ON events (kind, subject_id, id);
