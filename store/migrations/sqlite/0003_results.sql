-- What probes reported, one row a result. It stands for `checks` checks, `healthy` of them good.
CREATE TABLE results (
    -- AUTOINCREMENT, because a probe notes up to which of them it has delivered.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The day in the probe's UUIDv7, so that a result that is sent again falls on the same day whatever the clocks
    -- have done since; the two together are the idempotency key.
    day           BIGINT NOT NULL,
    result_id     BLOB NOT NULL,
    -- The quarter of an hour of checked_at, since 1970.
    quarter       BIGINT NOT NULL,
    peer_id       BIGINT NOT NULL,
    region_id     BIGINT NOT NULL,
    probe_id      BIGINT NOT NULL,
    checked_at    BIGINT NOT NULL,
    received_at   BIGINT NOT NULL,
    -- 0 unknown, 1 offline, 2 online
    status        BIGINT NOT NULL,
    checks        BIGINT NOT NULL,
    healthy       BIGINT NOT NULL,
    response_us   BIGINT,
    min_us        BIGINT,
    max_us        BIGINT,
    stage         TEXT NOT NULL,
    error         TEXT,
    message       TEXT,
    version       TEXT,
    hostname      TEXT,
    network_count BIGINT,
    relay         TEXT,
    relay_error   TEXT
);

CREATE UNIQUE INDEX results_result ON results (day, result_id);

-- By quarter first: results that arrive together then lie on few pages, and a peer's history is one seek a quarter.
CREATE INDEX results_peer ON results (quarter, peer_id, checked_at, status);

-- Counts of checks per peer and region over 5 minutes, an hour and a day; `bucket` counts grains since 1970.
CREATE TABLE rollups (
    -- The seconds of a bucket: 300, 3600 or 86400.
    grain         BIGINT NOT NULL,
    bucket        BIGINT NOT NULL,
    region_id     BIGINT NOT NULL,
    peer_id       BIGINT NOT NULL,
    checks        BIGINT NOT NULL,
    healthy       BIGINT NOT NULL,
    -- Over checks with a latency: how many, sum, least and greatest.
    latency_count BIGINT NOT NULL,
    latency_sum   BIGINT NOT NULL,
    latency_min   BIGINT,
    latency_max   BIGINT,
    PRIMARY KEY (grain, bucket, region_id, peer_id)
) WITHOUT ROWID;

-- The newest result of each probe for each peer, and the checks of its newest five minutes: they move to `rollups` when
-- a result of the next five minutes comes, so that most results touch one row instead of four.
CREATE TABLE latest (
    probe_id      BIGINT NOT NULL,
    peer_id       BIGINT NOT NULL,
    region_id     BIGINT NOT NULL,
    checked_at    BIGINT NOT NULL,
    -- Where the result is in `results`.
    day           BIGINT NOT NULL,
    result_id     BLOB NOT NULL,
    -- As in `rollups`, with the grain 300.
    bucket        BIGINT NOT NULL,
    checks        BIGINT NOT NULL,
    healthy       BIGINT NOT NULL,
    latency_count BIGINT NOT NULL,
    latency_sum   BIGINT NOT NULL,
    latency_min   BIGINT,
    latency_max   BIGINT,
    PRIMARY KEY (probe_id, peer_id)
) WITHOUT ROWID;
