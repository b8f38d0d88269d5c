-- Nodes that strangers submitted and that wait for approval. They are no peers: they have no peer id, no state, and no
-- place in the lists of probes.
CREATE TABLE submissions (
    -- Never used twice, because operators approve by id.
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    url             TEXT NOT NULL,
    description     TEXT NOT NULL,
    network_name    TEXT,
    -- Sealed as in the table `peers`.
    network_secret  BLOB,
    handshake_only  BOOLEAN NOT NULL,
    timeout_ms      BIGINT,
    allow_relay     BOOLEAN NOT NULL,
    max_connections BIGINT NOT NULL,
    qq_number       TEXT,
    wechat          TEXT,
    mail            TEXT,
    -- Joined with commas, which no label contains; null for none.
    tags            TEXT,
    regions         TEXT,
    created_at      BIGINT NOT NULL
);

CREATE INDEX submissions_url ON submissions (url);

-- The queue used to be in `peers`. A peer that was approved once, or that a backend listed, stays there: its id and its
-- history are known.
INSERT INTO submissions (name, url, description, network_name, network_secret, handshake_only, timeout_ms, allow_relay,
    max_connections, qq_number, wechat, mail, tags, regions, created_at)
SELECT p.name, p.url, p.description, p.network_name, p.network_secret, p.handshake_only, p.timeout_ms, p.allow_relay,
    p.max_connections, p.qq_number, p.wechat, p.mail,
    (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id),
    (SELECT string_agg(r.name, ',') FROM peer_regions pr JOIN regions r ON r.id = pr.region_id WHERE pr.peer_id = p.id),
    p.created_at
FROM peers p
WHERE approved = 0 AND submitted = 1 AND updated_at = created_at AND id NOT IN (SELECT peer_id FROM peer_origins)
ORDER BY id;

DELETE FROM peers
WHERE approved = 0 AND submitted = 1 AND updated_at = created_at AND id NOT IN (SELECT peer_id FROM peer_origins);
