-- The outages of each peer that are over, without the time in maintenance: an outage is the time from the verdict down until the
-- peer is seen online again. A row is one outage that began on an earlier day, or all outages that began and ended on one day:
-- so there are at most two rows a day. They are kept as long as the peer.
CREATE TABLE outages (
    peer_id    BIGINT NOT NULL,
    -- The day of `ended_at`, since 1970; and 1 for one outage that began before it, 0 for all that began on it.
    day        BIGINT NOT NULL,
    whole      BIGINT NOT NULL,
    began_at   BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    -- Their time together, and the longest of them.
    down_ms    BIGINT NOT NULL,
    longest_ms BIGINT NOT NULL,
    PRIMARY KEY (peer_id, day, whole)
);

-- The outages that go on, without the time of the present verdict. A row is made when the verdict becomes unknown meanwhile, or
-- when a maintenance ends.
CREATE TABLE open_outages (
    peer_id       BIGINT NOT NULL PRIMARY KEY,
    began_at      BIGINT NOT NULL,
    -- Until when the peer was seen to be down.
    ended_at      BIGINT NOT NULL,
    down_ms       BIGINT NOT NULL,
    maintained_ms BIGINT NOT NULL
);

-- The past, as far as events are kept: the changes since the peer is what it is, numbered by how often it was seen online before.
CREATE TEMPORARY TABLE past_outages AS
WITH changes AS (
    SELECT e.subject_id AS peer_id, e.became AS verdict, e.at AS began_at,
           lead(e.at) OVER (PARTITION BY e.subject_id ORDER BY e.id) AS ended_at,
           sum(CASE WHEN e.became IN ('up', 'partial') THEN 1 ELSE 0 END) OVER (PARTITION BY e.subject_id ORDER BY e.id) AS nth,
           sum(CASE WHEN e.became IN ('up', 'partial') THEN 1 ELSE 0 END) OVER (PARTITION BY e.subject_id) AS last
    FROM events e JOIN peers p ON p.id = e.subject_id WHERE e.kind = 'peer' AND e.at >= p.target_since
)
SELECT peer_id, min(began_at) AS began_at, max(ended_at) AS ended_at, sum(ended_at - began_at) AS down_ms,
       CASE WHEN nth = last THEN 1 ELSE 0 END AS goes_on
FROM changes WHERE verdict = 'down' AND ended_at > began_at GROUP BY peer_id, nth, last;

INSERT INTO outages (peer_id, day, whole, began_at, ended_at, number, down_ms, longest_ms)
SELECT peer_id, ended_at / 86400000, CASE WHEN began_at / 86400000 < ended_at / 86400000 THEN 1 ELSE 0 END, min(began_at), max(ended_at),
       count(*), sum(down_ms), max(down_ms)
FROM past_outages WHERE goes_on = 0
GROUP BY peer_id, ended_at / 86400000, CASE WHEN began_at / 86400000 < ended_at / 86400000 THEN 1 ELSE 0 END;

INSERT INTO open_outages (peer_id, began_at, ended_at, down_ms, maintained_ms)
SELECT peer_id, began_at, ended_at, down_ms, 0 FROM past_outages WHERE goes_on = 1;

DROP TABLE past_outages;

-- Since when the outages are complete: older events had expired.
INSERT INTO settings (key, value)
SELECT 'outages_since', CAST(coalesce((SELECT min(at) FROM events), (SELECT max(ended_at) FROM verdict_times), 0) AS TEXT);
