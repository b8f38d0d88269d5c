-- Windows of time in which nodes are expected to be out of service.
CREATE TABLE maintenance_windows (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- A UUID, the same at all instances.
    uid        TEXT NOT NULL UNIQUE,
    -- What visitors read, in English or any language, and in Chinese; null where it has no Chinese text.
    title      TEXT NOT NULL,
    title_zh   TEXT,
    -- JSON: {"all", "peers", "tags", "regions"}.
    coverage   TEXT NOT NULL,
    -- When the first occurrence begins, as 'YYYY-MM-DDTHH:MM' on the clocks of an IANA time zone, and how long each takes.
    starts     TEXT NOT NULL,
    zone       TEXT NOT NULL,
    minutes    BIGINT NOT NULL,
    -- The parts of an RFC 5545 RRULE without UNTIL, and after which time of the zone no occurrence begins; null for none.
    rule       TEXT,
    until      TEXT,
    -- When an occurrence was ended before its time: those that had begun have ended by then.
    ended_at   BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- The peers in maintenance now. A row is made when a window begins to cover a peer, and goes when none does any more.
CREATE TABLE maintained_peers (
    peer_id    BIGINT NOT NULL PRIMARY KEY,
    -- The window that covers it for the longest time.
    window_id  BIGINT NOT NULL,
    began_at   BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL
) WITHOUT ROWID;

-- The part of `verdict_times` in which each peer was in maintenance: uptime does not count it. It is stored as it happens, so that
-- a window that is changed or removed afterwards does not change the past.
CREATE TABLE maintained_times (
    peer_id    BIGINT NOT NULL,
    hour       BIGINT NOT NULL,
    whole      BIGINT NOT NULL,
    began_at   BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    up_ms      BIGINT NOT NULL,
    partial_ms BIGINT NOT NULL,
    down_ms    BIGINT NOT NULL,
    PRIMARY KEY (peer_id, hour, whole)
) WITHOUT ROWID;

-- Grows whenever a window or the set of peers in maintenance changes.
INSERT INTO settings (key, value) VALUES ('maintenance_version', '0');
