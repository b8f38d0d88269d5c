-- The connections over which probes ask for orders, one a probe.
CREATE TABLE probe_channels (
    probe_id    BIGINT NOT NULL PRIMARY KEY,
    -- The number of the last order to this probe.
    last_number BIGINT NOT NULL,
    -- When the probe last asked for orders.
    asked_at    BIGINT NOT NULL
) WITHOUT ROWID;

-- Checks that somebody asked for, kept for an hour.
CREATE TABLE requested_checks (
    id           BLOB NOT NULL PRIMARY KEY,
    -- Null where a URL was given.
    peer_id      BIGINT,
    url          TEXT NOT NULL,
    -- Whether the URL is a stranger's: then public addresses alone are checked.
    submitted    BOOLEAN NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    timeout_ms   BIGINT NOT NULL,
    -- Who has not answered by then does not answer.
    ends_at      BIGINT NOT NULL
) WITHOUT ROWID;

-- From where a check was asked for: an order to a probe each.
CREATE TABLE requested_runs (
    check_id  BLOB NOT NULL,
    nth       BIGINT NOT NULL,
    -- A region or a server_id, as it was asked for.
    vantage   TEXT NOT NULL,
    -- The probe with the order and the order's number; null where no probe was available.
    probe_id  BIGINT,
    number    BIGINT,
    region    TEXT,
    server_id TEXT,
    -- The result as JSON, once the probe has answered.
    result    TEXT,
    PRIMARY KEY (check_id, nth)
) WITHOUT ROWID;
CREATE INDEX requested_runs_by_probe ON requested_runs (probe_id, number) WHERE result IS NULL;

-- When an address was last checked because somebody asked for it.
CREATE TABLE checked_addresses (
    address    TEXT NOT NULL PRIMARY KEY,
    checked_at BIGINT NOT NULL
) WITHOUT ROWID;
