-- What the operator tells visitors, on all pages.
CREATE TABLE announcements (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- info, warning or critical
    severity   TEXT NOT NULL,
    -- In one of the languages at least.
    english    TEXT,
    chinese    TEXT,
    created_at BIGINT NOT NULL,
    -- Null until somebody ends it.
    ends_at    BIGINT
);
