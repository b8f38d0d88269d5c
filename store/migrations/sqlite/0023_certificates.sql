-- When the certificate of the node expires, where the check saw one; null otherwise.
ALTER TABLE results ADD COLUMN certificate_expires_at BIGINT;

-- The certificates of nodes, as each region saw them last.
CREATE TABLE certificates (
    peer_id    BIGINT NOT NULL,
    region_id  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- When it was seen, within an hour.
    seen_at    BIGINT NOT NULL,
    PRIMARY KEY (peer_id, region_id)
) WITHOUT ROWID;
