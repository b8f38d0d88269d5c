-- Changes of one cause, from the beginning until all has been well for a while.
CREATE TABLE incidents (
    -- The planner counts them.
    id         BIGINT NOT NULL PRIMARY KEY,
    opened_at  BIGINT NOT NULL,
    -- Since when all its nodes are well; null while one is not.
    well_at    BIGINT,
    closed_at  BIGINT,
    -- What its nodes have in common: JSON of the policy; null without.
    cause      TEXT,
    -- How many entries there were, also those that were left out.
    changes    BIGINT NOT NULL,
    -- JSON of the policy.
    state      TEXT NOT NULL,
    -- What the operator calls it.
    english    TEXT,
    chinese    TEXT,
    updated_at BIGINT NOT NULL
);

CREATE INDEX incidents_closed ON incidents (closed_at);

-- The nodes of each.
CREATE TABLE incident_nodes (
    incident_id BIGINT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    peer_id     BIGINT NOT NULL,
    -- Its verdict, and since when.
    verdict     TEXT NOT NULL,
    since       BIGINT NOT NULL,
    -- JSON of the policy.
    state       TEXT NOT NULL,
    PRIMARY KEY (incident_id, peer_id)
);

CREATE INDEX incident_nodes_peer ON incident_nodes (peer_id, incident_id);

-- The timelines.
CREATE TABLE incident_entries (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id BIGINT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    at          BIGINT NOT NULL,
    -- 'opened', 'joined', 'changed', 'acknowledged', 'closed', 'posted' or 'ended'
    kind        TEXT NOT NULL,
    -- JSON.
    detail      TEXT NOT NULL,
    -- What the operator wrote.
    english     TEXT,
    chinese     TEXT
);

CREATE INDEX incident_entries_incident ON incident_entries (incident_id, id);

-- The nodes that an entry names: of many nodes some.
CREATE TABLE incident_entry_nodes (
    entry_id BIGINT NOT NULL REFERENCES incident_entries (id) ON DELETE CASCADE,
    peer_id  BIGINT NOT NULL,
    PRIMARY KEY (entry_id, peer_id)
);

-- How far the planner of incidents is: one row, which is locked before the other tables.
CREATE TABLE incident_plan (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    -- Grows with each step, and when an operator closes an incident.
    step     BIGINT NOT NULL,
    -- The newest event that it has read.
    cursor   BIGINT NOT NULL,
    -- The newest incident.
    last_id  BIGINT NOT NULL,
    -- Grows whenever what readers see changes.
    revision BIGINT NOT NULL,
    -- JSON of the policy.
    state    TEXT NOT NULL
);

-- What was wrong before is no incident.
INSERT INTO incident_plan (id, step, cursor, last_id, revision, state)
SELECT 1, 0, coalesce(max(id), 0), 0, 0, '{}' FROM events;
