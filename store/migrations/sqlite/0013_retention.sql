-- Expired events are found without reading the others.
CREATE INDEX events_at ON events (at);

-- Peers that were deleted, until the sweep has deleted what does not expire by itself: their rollups of days.
CREATE TABLE deleted_peers (
    peer_id    INTEGER NOT NULL PRIMARY KEY,
    deleted_at INTEGER NOT NULL
);

INSERT INTO deleted_peers (peer_id, deleted_at)
SELECT DISTINCT r.peer_id, 0 FROM rollups r
WHERE r.grain = 86400 AND NOT EXISTS (SELECT 1 FROM peers p WHERE p.id = r.peer_id);
