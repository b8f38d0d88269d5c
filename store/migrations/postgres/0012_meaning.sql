-- When the probe last called the heartbeat endpoint. It takes the place of `sends_heartbeats`, which older programs still
-- write and nothing reads any more.
ALTER TABLE probes ADD COLUMN last_heartbeat_at BIGINT;

UPDATE probes SET last_heartbeat_at = last_seen_at WHERE sends_heartbeats;

-- Since when a peer is what it is: its URL, its network and the depth of its checks. What was checked before belongs to
-- another peer. And the version of the list of peers that had it first.
ALTER TABLE peers ADD COLUMN target_since BIGINT NOT NULL DEFAULT 0;

ALTER TABLE peers ADD COLUMN target_version BIGINT NOT NULL DEFAULT 0;

-- How long each peer had which verdict, without the time since its last change. A row is one verdict from `began_at` to
-- `ended_at`, or all verdicts that began and ended within one hour: so there are at most two rows an hour, and
-- one for a year without changes. Time without a verdict is left out.
CREATE TABLE verdict_times (
    peer_id    BIGINT NOT NULL,
    -- The hour of `ended_at`, since 1970; and 1 for one verdict that began before it, 0 for all that began in it.
    hour       BIGINT NOT NULL,
    whole      BIGINT NOT NULL,
    began_at   BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    up_ms      BIGINT NOT NULL,
    partial_ms BIGINT NOT NULL,
    down_ms    BIGINT NOT NULL,
    PRIMARY KEY (peer_id, hour, whole)
);

-- The past, as far as events are kept.
INSERT INTO verdict_times (peer_id, hour, whole, began_at, ended_at, up_ms, partial_ms, down_ms)
SELECT peer_id, ended_at / 3600000, CASE WHEN began_at / 3600000 < ended_at / 3600000 THEN 1 ELSE 0 END, min(began_at), max(ended_at),
       sum(CASE verdict WHEN 'up' THEN ended_at - began_at ELSE 0 END),
       sum(CASE verdict WHEN 'partial' THEN ended_at - began_at ELSE 0 END),
       sum(CASE verdict WHEN 'down' THEN ended_at - began_at ELSE 0 END)
FROM (
    SELECT e.subject_id AS peer_id, e.became AS verdict, e.at AS began_at,
           lead(e.at) OVER (PARTITION BY e.subject_id ORDER BY e.id) AS ended_at
    FROM events e JOIN peers p ON p.id = e.subject_id WHERE e.kind = 'peer'
) changes
WHERE verdict IN ('up', 'partial', 'down') AND ended_at > began_at
GROUP BY peer_id, ended_at / 3600000, CASE WHEN began_at / 3600000 < ended_at / 3600000 THEN 1 ELSE 0 END;

-- A sum that an earlier program let grow beyond every bound.
UPDATE latest SET latency_sum = 8796093022208 WHERE latency_sum > 8796093022208;
