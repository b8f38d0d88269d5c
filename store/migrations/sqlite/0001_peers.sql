-- Times are milliseconds since 1970 UTC, latencies microseconds, booleans 0 or 1.

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Counts the changes to what probes are given to watch.
INSERT INTO settings (key, value) VALUES ('config_version', '1');

CREATE TABLE regions (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    -- The config_version for which `leases` lists this region's peers; null as long as nobody claimed there.
    leases_version BIGINT
);

CREATE TABLE peers (
    -- AUTOINCREMENT, because launchers remember ids: one is never given to another peer.
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    -- The canonical spelling: protocol://host:port, and the path where there is one.
    url             TEXT NOT NULL,
    description     TEXT NOT NULL,
    network_name    TEXT,
    -- Sealed with the hub's key.
    network_secret  BLOB,
    -- Checked up to the handshake only.
    handshake_only  BOOLEAN NOT NULL,
    timeout_ms      BIGINT,
    allow_relay     BOOLEAN NOT NULL,
    max_connections BIGINT NOT NULL,
    approved        BOOLEAN NOT NULL,
    -- Came from a stranger, not from the operator.
    submitted       BOOLEAN NOT NULL,
    qq_number       TEXT,
    wechat          TEXT,
    mail            TEXT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

-- The same node may be watched in several networks. Not unique: what another hub lists is taken as it is.
CREATE INDEX peers_url ON peers (url);

CREATE TABLE peer_tags (
    peer_id BIGINT NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    tag     TEXT NOT NULL,
    PRIMARY KEY (peer_id, tag)
) WITHOUT ROWID;

CREATE INDEX peer_tags_tag ON peer_tags (tag, peer_id);

-- A peer without a row here is watched from every region.
CREATE TABLE peer_regions (
    peer_id   BIGINT NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    region_id BIGINT NOT NULL REFERENCES regions (id),
    PRIMARY KEY (peer_id, region_id)
) WITHOUT ROWID;

CREATE INDEX peer_regions_region ON peer_regions (region_id, peer_id);
