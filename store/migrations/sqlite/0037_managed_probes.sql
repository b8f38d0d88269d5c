-- Probes that this instance configures and asks for statistics, at their own addresses or over the connections that they make.
CREATE TABLE managed_probes (
    probe_id        BIGINT NOT NULL PRIMARY KEY REFERENCES probes (id) ON DELETE CASCADE,
    -- Null where the probe is reached over its own connection alone. A host, or an https URL of a host.
    host            TEXT,
    port            BIGINT,
    -- The CONTROL_TOKEN of the probe, sealed with the hub's key.
    token           BLOB,
    -- What the probe uses in place of its own settings: a JSON object.
    settings        TEXT NOT NULL,
    -- The node token that goes to a probe without a backend, sealed; null once the probe has used it.
    enrollment      BLOB,
    -- Grows when something above changes.
    revision        BIGINT NOT NULL,
    -- Which configuration the probe took last.
    pushed_epoch    BIGINT NOT NULL,
    pushed_version  BIGINT NOT NULL,
    pushed_revision BIGINT NOT NULL,
    -- '', 'available', 'dirty' or 'unavailable'.
    push_state      TEXT NOT NULL,
    -- '', 'available' or 'unavailable'.
    pull_state      TEXT NOT NULL,
    -- How the probe was reached last: 'direct', 'proxy' or 'reverse'; null when it never was.
    path            TEXT,
    -- How long its last answer took, in microseconds.
    round_trip_us   BIGINT,
    -- What was wrong at the last try: JSON; null when nothing was.
    problem         TEXT,
    -- When it last took a configuration, and when it last told its statistics; null before.
    pushed_at       BIGINT,
    pulled_at       BIGINT,
    -- The bytes of its checks: in all, and in the count of the probe's present process.
    usage_bytes     BIGINT NOT NULL,
    counted_bytes   BIGINT NOT NULL,
    added_at        BIGINT NOT NULL
);

-- What is asked of probes over the connections that they make, besides checks.
CREATE TABLE probe_messages (
    probe_id BIGINT NOT NULL,
    number   BIGINT NOT NULL,
    -- 'config' or 'stats'.
    kind     TEXT NOT NULL,
    -- Who has not answered by then does not answer.
    ends_at  BIGINT NOT NULL,
    -- What the probe answered: JSON.
    answer   TEXT,
    PRIMARY KEY (probe_id, number)
) WITHOUT ROWID;

INSERT INTO settings (key, value) VALUES ('managed_probes', '0') ON CONFLICT (key) DO NOTHING;
