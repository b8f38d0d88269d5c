-- The hubs that run on this database. Each refreshes its row, so that a hub of another version sees that it runs. SQLite has
-- no such table: a file has one hub.
CREATE TABLE hubs (
    id         UUID   NOT NULL PRIMARY KEY,
    -- The version of its program, and the newest migration that it knows.
    version    TEXT   NOT NULL,
    schema     BIGINT NOT NULL,
    -- By the clock of the database, which all hubs share.
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);
