-- The names that regions had. Probes that were configured with one go on to be of that region, until it lapses.
CREATE TABLE former_regions (
    name      TEXT NOT NULL PRIMARY KEY,
    region_id BIGINT NOT NULL REFERENCES regions (id) ON DELETE CASCADE,
    -- By the database's clock.
    until     BIGINT NOT NULL
);

CREATE INDEX requested_checks_peer ON requested_checks (peer_id, requested_at);
