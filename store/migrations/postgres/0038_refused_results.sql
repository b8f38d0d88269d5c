-- The row of results after which the primary refused results of this peer, because it does not know it; null when it refused none.
-- They are passed on again when the primary has the peer.
ALTER TABLE synced_objects ADD COLUMN refused_row BIGINT;
