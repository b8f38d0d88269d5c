-- Where changes are told.
CREATE TABLE channels (
    -- Never used twice, because deliveries name it.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        TEXT NOT NULL UNIQUE,
    -- Two instances may have given the same name.
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    -- Its settings and rules: JSON, sealed with the hub's key.
    config     BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- What is wrong for a rule, or was within the last hour.
CREATE TABLE alert_conditions (
    -- The rule and the subject, as the policy names them.
    key             TEXT NOT NULL PRIMARY KEY,
    -- JSON of the policy.
    state           TEXT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT
);

-- What nothing is told about until a time.
CREATE TABLE alert_mutes (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- A rule or a subject, as the policy names them; 'all' for everything.
    scope    TEXT NOT NULL,
    until    BIGINT NOT NULL,
    muted_by TEXT NOT NULL,
    muted_at BIGINT NOT NULL
);

-- Messages, each for one channel.
CREATE TABLE alert_deliveries (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The idempotency key.
    id           TEXT NOT NULL UNIQUE,
    channel_id   BIGINT NOT NULL,
    -- JSON.
    message      TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    -- While an attempt runs: until when nobody else may send it, and whose attempt it is.
    leased_until BIGINT NOT NULL,
    leased_by    TEXT,
    -- 'waiting', 'sent', 'failed' or 'dropped'
    state        TEXT NOT NULL,
    done_at      BIGINT,
    error        TEXT
);

CREATE INDEX alert_deliveries_waiting ON alert_deliveries (channel_id, seq) WHERE state = 'waiting';
CREATE INDEX alert_deliveries_done ON alert_deliveries (done_at) WHERE state <> 'waiting';

-- How far the planner of messages is: one row.
CREATE TABLE alert_plan (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    -- The newest event that it has read.
    cursor     BIGINT NOT NULL,
    -- When it last looked; null until it has.
    planned_at BIGINT,
    -- JSON of the policy.
    state      TEXT NOT NULL
);

INSERT INTO alert_plan (id, cursor, state) VALUES (1, 0, '{}');
