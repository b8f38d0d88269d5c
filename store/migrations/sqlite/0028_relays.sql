-- The time of data from one guest through the node to another and back, in microseconds, where that was tried.
ALTER TABLE results ADD COLUMN relay_us BIGINT;

-- Whether nodes relay data between their guests, as each region found it last.
CREATE TABLE relays (
    peer_id       BIGINT NOT NULL,
    region_id     BIGINT NOT NULL,
    -- ok, refused or failed
    verdict       TEXT NOT NULL,
    -- Why it is not ok.
    reason        TEXT,
    round_trip_us BIGINT,
    measured_at   BIGINT NOT NULL,
    -- When the region tested last: a test that failed does not replace another verdict for a day.
    tested_at     BIGINT NOT NULL,
    -- How many tests in a row were not ok.
    not_ok        BIGINT NOT NULL,
    PRIMARY KEY (peer_id, region_id)
) WITHOUT ROWID;

-- What the regions together found, and the tests that are handed out to probes.
CREATE TABLE relay_verdicts (
    peer_id       BIGINT NOT NULL PRIMARY KEY,
    -- Null before the first answer, as the next three.
    verdict       TEXT,
    reason        TEXT,
    round_trip_us BIGINT,
    checked_at    BIGINT,
    -- How many tests in a row were not ok; 0 while the verdict is ok.
    not_ok        BIGINT NOT NULL,
    -- When a region tested last.
    tested_at     BIGINT,
    -- When a probe was asked to test last.
    asked_at      BIGINT
) WITHOUT ROWID;
