-- What this database is among the instances of its cluster: one row, made at the first start.
CREATE TABLE instance (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    -- 'standalone', 'primary' or 'dependent'
    role           TEXT NOT NULL,
    -- A UUID that the first primary made; null until this database belongs to a cluster.
    cluster_id     TEXT,
    -- The highest epoch seen.
    epoch          BIGINT NOT NULL,
    -- False while a hand-over waits for the next primary.
    accepts_edits  BOOLEAN NOT NULL,
    -- The primary of that epoch: a UUID, its name and its base URL; null for a standalone instance.
    primary_id     TEXT,
    primary_name   TEXT,
    primary_url    TEXT,
    -- The version of the primary's configuration that a dependent holds, and when it last compared it.
    synced_epoch   BIGINT NOT NULL,
    synced_version BIGINT NOT NULL,
    synced_at      BIGINT,
    sync_error     TEXT,
    -- The key with which others seal secrets for this instance (X25519), and its token at the primary. Both are sealed
    -- with the hub's key, as in `settings`.
    private_key    TEXT,
    token          TEXT,
    -- The configuration that last decided the role, as JSON: only what differs from it is an instruction.
    configured     TEXT,
    -- Whether the primary reached this dependent at its public endpoint, as it last said: only then can it be promoted.
    called_back    BOOLEAN NOT NULL DEFAULT FALSE,
    -- The instance to which this primary is handing over.
    handing_over_to TEXT,
    -- Results up to this row are at the primary; and the position of a standby in the primary's results.
    forwarded_row  BIGINT NOT NULL,
    mirrored       TEXT,
    -- When it last mirrored what the primary knows: all that it knows of others is as old.
    mirrored_at    BIGINT
);

INSERT INTO instance (id, role, epoch, accepts_edits, synced_epoch, synced_version, forwarded_row)
VALUES (1, 'standalone', 0, TRUE, 0, 0, 0);

-- The other instances of the cluster, as they introduced themselves or as the primary lists them.
CREATE TABLE instances (
    instance_id     TEXT NOT NULL PRIMARY KEY,
    name            TEXT NOT NULL,
    location        TEXT,
    latitude        DOUBLE PRECISION,
    longitude       DOUBLE PRECISION,
    version         TEXT NOT NULL,
    -- A JSON array of texts.
    capabilities    TEXT NOT NULL,
    failover_order  BIGINT NOT NULL,
    public_endpoint TEXT,
    -- When the endpoint last answered a call of the primary; only then can the instance be promoted.
    called_back_at  BIGINT,
    public_key      TEXT,
    -- JSON, as the instance sent them.
    system_info     TEXT,
    system_metrics  TEXT,
    connection      TEXT,
    -- What its heartbeat said: 'healthy', 'degraded' or 'failing'.
    health          TEXT,
    role            TEXT NOT NULL,
    epoch           BIGINT NOT NULL,
    registered_at   BIGINT NOT NULL,
    last_heartbeat  BIGINT,
    synced_epoch    BIGINT NOT NULL,
    synced_version  BIGINT NOT NULL,
    synced_at       BIGINT,
    sync_error      TEXT,
    config_hash     TEXT,
    -- The row of the primary's results up to which the instance has mirrored them.
    mirrored_row    BIGINT NOT NULL DEFAULT 0
);

-- Tokens of instances. After a new registration the old one ends when the new one is first used.
CREATE TABLE instance_tokens (
    lookup       TEXT NOT NULL PRIMARY KEY,
    hash         BLOB NOT NULL,
    instance_id  TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE INDEX instance_tokens_instance ON instance_tokens (instance_id);

-- The version of each object that instances share: the higher (epoch, counter) wins.
CREATE TABLE synced_objects (
    -- 'peer', 'region', 'setting', 'probe' or 'credential'
    kind       TEXT NOT NULL,
    uid        TEXT NOT NULL,
    -- The key of the row that holds it here, or held it before its deletion.
    local_key  TEXT,
    epoch      BIGINT NOT NULL,
    counter    BIGINT NOT NULL,
    -- A keyed hash of the content: what differs from it was changed since.
    digest     BLOB NOT NULL,
    -- Deletions are remembered for 90 days.
    deleted_at BIGINT,
    -- Whether this version was made here.
    made_here  BOOLEAN NOT NULL,
    PRIMARY KEY (kind, uid)
);

CREATE UNIQUE INDEX synced_objects_local ON synced_objects (kind, local_key);

-- What an admin changed here and lost to a higher version, without secrets.
CREATE TABLE sync_conflicts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      BIGINT NOT NULL,
    kind    TEXT NOT NULL,
    uid     TEXT NOT NULL,
    -- JSON.
    lost    TEXT NOT NULL,
    won     TEXT NOT NULL
);

-- Whether the peer came from a primary.
ALTER TABLE peers ADD COLUMN from_primary BOOLEAN NOT NULL DEFAULT FALSE;

-- Whether an instance that became dependent keeps the peer as its own: it is neither checked nor shared.
ALTER TABLE peers ADD COLUMN set_aside BOOLEAN NOT NULL DEFAULT FALSE;

-- Whether the result came from another instance, which has it already.
ALTER TABLE results ADD COLUMN mirrored BOOLEAN NOT NULL DEFAULT FALSE;
