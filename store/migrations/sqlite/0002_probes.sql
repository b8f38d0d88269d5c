CREATE TABLE probes (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id        TEXT NOT NULL UNIQUE,
    -- Whether the probe or the operator chose `server_id`; else it stands for the token's name until the first report.
    named            BOOLEAN NOT NULL,
    region_id        BIGINT NOT NULL REFERENCES regions (id),
    host             TEXT,
    port             BIGINT,
    version          TEXT,
    -- JSON, as the probe sent it.
    capabilities     TEXT,
    system           TEXT,
    metadata         TEXT,
    counters         TEXT,
    response_us      BIGINT,
    check_interval_ms BIGINT,
    -- Keeps a guest session open on every peer it watches.
    holds_sessions   BOOLEAN NOT NULL,
    -- Calls the heartbeat endpoint; others are heard from only when they report.
    sends_heartbeats BOOLEAN NOT NULL,
    -- What the consensus last took it for.
    live             BOOLEAN NOT NULL,
    config_version   BIGINT,
    created_at       BIGINT NOT NULL,
    last_seen_at     BIGINT,
    unregistered_at  BIGINT
);

-- Node tokens, API keys and enrollment keys: shown once, kept as SHA-256.
CREATE TABLE credentials (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    -- The part of the token that finds its row; the rest is compared in constant time.
    lookup     TEXT NOT NULL UNIQUE,
    hash       BLOB NOT NULL,
    -- Of a node token: the one probe that it is for.
    probe_id   BIGINT REFERENCES probes (id),
    -- Of an enrollment key: the one region that it enrolls for, or null.
    region_id  BIGINT REFERENCES regions (id),
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE admin (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    -- Argon2id, a PHC string.
    password_hash TEXT NOT NULL,
    changed_at    BIGINT NOT NULL
);

CREATE TABLE sessions (
    id         BLOB NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
