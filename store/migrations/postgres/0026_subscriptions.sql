-- Visitors who asked for mails about nodes. What they asked for belongs to this instance alone.
CREATE TABLE subscribers (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Hashes with the hub's key: of the mailbox, and of what the mailboxes of one owner have in common.
    mailbox    TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,
    -- The address, sealed with the hub's key.
    address    BYTEA NOT NULL,
    -- 'en' or 'zh'
    language   TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- The nodes that they asked for.
CREATE TABLE subscriptions (
    subscriber_id BIGINT NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    peer_id       BIGINT NOT NULL,
    asked_at      BIGINT NOT NULL,
    -- Null until who reads the mailbox has confirmed it.
    confirmed_at  BIGINT,
    -- What is known and was told of the node: JSON of the policy; null when there is nothing to remember.
    state         TEXT,
    PRIMARY KEY (subscriber_id, peer_id)
);

CREATE INDEX subscriptions_peer ON subscriptions (peer_id);
CREATE INDEX subscriptions_stateful ON subscriptions (subscriber_id) WHERE state IS NOT NULL;

-- Mails to them that wait.
CREATE TABLE subscription_mails (
    seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The idempotency key.
    id            TEXT NOT NULL UNIQUE,
    subscriber_id BIGINT NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    -- The node, if the mail is about one.
    peer_id       BIGINT,
    -- JSON.
    message       TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    -- While an attempt runs: until when nobody else may send it, and whose attempt it is.
    leased_until  BIGINT NOT NULL,
    leased_by     TEXT
);

CREATE INDEX subscription_mails_due ON subscription_mails (due_at);
CREATE INDEX subscription_mails_subscriber ON subscription_mails (subscriber_id, seq);

-- Which mailboxes were named from which networks in the last day. Both are hashes with the hub's key.
CREATE TABLE subscription_requests (
    network  TEXT NOT NULL,
    owner    TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (network, owner)
);

-- Until when no mail asks the owner of a mailbox to confirm anything.
CREATE TABLE quiet_mailboxes (
    owner TEXT NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
