-- Whether the probe last said of itself that it is cut off.
ALTER TABLE probes ADD COLUMN degraded BOOLEAN NOT NULL DEFAULT FALSE;
