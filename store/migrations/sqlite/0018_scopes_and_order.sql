-- What an API key may do: names with commas between them. Keys made before may do what they could.
ALTER TABLE credentials ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read';

-- The place in the order of failover that an instance named itself, when `failover_order` was given to it. As long as it names
-- the same, the given place counts.
ALTER TABLE instances ADD COLUMN named_order BIGINT;

-- The same for this instance; null until a place was given to it.
ALTER TABLE instance ADD COLUMN failover_order BIGINT;
ALTER TABLE instance ADD COLUMN named_order BIGINT;
