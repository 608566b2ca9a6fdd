-- The journal, the records, and words without history.
-- TEXT and BIGINT only, so that every dialect takes it; a Decimal is text and keeps its digits.

CREATE TABLE journal (number BIGINT PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL);

CREATE TABLE cells (name TEXT PRIMARY KEY, word TEXT NOT NULL);

CREATE TABLE binding (key TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE instrument (key TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE orders (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_open TEXT, by_symbol TEXT, by_strategy TEXT, by_parent TEXT);
CREATE INDEX orders_by_open ON orders (by_open, key) WHERE by_open IS NOT NULL;
CREATE INDEX orders_by_symbol ON orders (by_symbol, key) WHERE by_symbol IS NOT NULL;
CREATE INDEX orders_by_strategy ON orders (by_strategy, key) WHERE by_strategy IS NOT NULL;
CREATE INDEX orders_by_parent ON orders (by_parent, key) WHERE by_parent IS NOT NULL;

CREATE TABLE evidence (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_replaces TEXT, by_client_order_id TEXT);
CREATE INDEX evidence_by_replaces ON evidence (by_replaces, key) WHERE by_replaces IS NOT NULL;
CREATE INDEX evidence_by_client_order_id ON evidence (by_client_order_id, key) WHERE by_client_order_id IS NOT NULL;

CREATE TABLE executions (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_broker_order_id TEXT);
CREATE INDEX executions_by_broker_order_id ON executions (by_broker_order_id, key) WHERE by_broker_order_id IS NOT NULL;

CREATE TABLE voids (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_broker_order_id TEXT);
CREATE INDEX voids_by_broker_order_id ON voids (by_broker_order_id, key) WHERE by_broker_order_id IS NOT NULL;

CREATE TABLE movements (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_symbol TEXT, by_owner TEXT);
CREATE INDEX movements_by_symbol ON movements (by_symbol, key) WHERE by_symbol IS NOT NULL;
CREATE INDEX movements_by_owner ON movements (by_owner, key) WHERE by_owner IS NOT NULL;

CREATE TABLE positions (key TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE chapters (key TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE trades (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_symbol TEXT);
CREATE INDEX trades_by_symbol ON trades (by_symbol, key) WHERE by_symbol IS NOT NULL;

CREATE TABLE cash (key TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE activities (key TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE drifts (key TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE events (key TEXT PRIMARY KEY, body TEXT NOT NULL);
