-- The currencies that an instrument trades, by the position that holds its base.

CREATE TABLE pairs (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_holding TEXT);
CREATE INDEX pairs_by_holding ON pairs (by_holding, key) WHERE by_holding IS NOT NULL;
