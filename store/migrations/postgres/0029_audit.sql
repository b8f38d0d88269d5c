-- Who changed what, and which authentications failed.
CREATE TABLE audit (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          BIGINT NOT NULL,
    -- change or failure
    kind        TEXT NOT NULL,
    -- Of a change the kind of the object and what was done to it, such as peer.add; of a failure what was wrong.
    action      TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    object_name TEXT NOT NULL,
    detail      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    actor_name  TEXT NOT NULL,
    -- The address of the caller; of failures over IPv6 the network; empty when there is none, or too many.
    source      TEXT NOT NULL,
    -- Failures of one kind and source within a minute are one row; null for a change.
    minute      BIGINT,
    count       BIGINT NOT NULL
);
CREATE UNIQUE INDEX audit_failures ON audit (minute, action, source, actor, actor_name) WHERE minute IS NOT NULL;
CREATE INDEX audit_at ON audit (at);
