-- Servers that announced themselves without a credential: they are listed, and nothing else.
CREATE TABLE open_servers (
    server_id     TEXT NOT NULL PRIMARY KEY,
    -- From where it was announced: an IPv4 address, or the /64 network of an IPv6 address. Nobody else changes the row.
    announced_by  TEXT NOT NULL,
    region        TEXT NOT NULL,
    host          TEXT,
    port          BIGINT,
    version       TEXT,
    capabilities  TEXT,
    system        TEXT,
    counters      TEXT,
    registered_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL
) WITHOUT ROWID;
