-- Lists of nodes that this instance keeps following.
CREATE TABLE sources (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    -- Sealed with the hub's key, because it may hold a token.
    url           BLOB NOT NULL,
    every_ms      BIGINT NOT NULL,
    -- Whether its nodes need no approval.
    trusted       BOOLEAN NOT NULL,
    created_at    BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    -- Null until it was tried, or read, for the first time.
    tried_at      BIGINT,
    read_at       BIGINT,
    -- What was wrong at the last try: JSON; null when nothing was.
    problem       TEXT,
    -- How many nodes the list had when it was read last; how many of them wait for room in the queue of approval.
    listed        BIGINT NOT NULL,
    waiting       BIGINT NOT NULL,
    -- How many of its entries are no nodes, and what is wrong with the first of them: a JSON array of texts.
    refused       BIGINT NOT NULL,
    refusals      TEXT NOT NULL,
    -- Which version of the list was read, in the words of its server.
    etag          TEXT,
    last_modified TEXT,
    -- Whether the next try takes the list even if it is much shorter than before.
    takes_short   BOOLEAN NOT NULL,
    -- Grows with each try.
    step          BIGINT NOT NULL
);

-- The nodes that they have, or had lately.
CREATE TABLE source_peers (
    source_id     BIGINT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    url           TEXT NOT NULL,
    network       TEXT NOT NULL,
    -- 'brought': a peer because of the source. 'proposed': it waits for approval. 'known': others brought it.
    -- 'removed': the operator removed or rejected it.
    state         TEXT NOT NULL,
    -- What the list says of it: JSON.
    said          TEXT NOT NULL,
    -- The time of the last change of a peer that the source made; a peer with another one was changed by the operator.
    changed_at    BIGINT NOT NULL,
    -- The submission of one that was proposed.
    submission_id BIGINT,
    -- Since when the list lacks it.
    missing_since BIGINT,
    PRIMARY KEY (source_id, url, network)
);

CREATE INDEX source_peers_identity ON source_peers (url, network);
