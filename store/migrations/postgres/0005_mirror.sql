-- For the local history of a probe: the backends whose peers are mirrored here.
CREATE TABLE backends (
    id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url   TEXT NOT NULL UNIQUE,
    -- What of the results is not delivered to it yet: JSON that the probe makes and reads.
    spool TEXT
);

-- Which peer here is which peer there. A peer here may be one of several backends.
CREATE TABLE peer_origins (
    backend_id BIGINT NOT NULL REFERENCES backends (id),
    remote_id  BIGINT NOT NULL,
    peer_id    BIGINT NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    -- When the backend last listed it.
    listed_at  BIGINT NOT NULL,
    PRIMARY KEY (backend_id, remote_id),
    UNIQUE (backend_id, peer_id)
);
