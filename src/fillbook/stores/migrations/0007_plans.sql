-- Plans, protections, and the restatements of a position by a split.

CREATE TABLE plans (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_open TEXT, by_occasion TEXT);
CREATE INDEX plans_by_open ON plans (by_open, key) WHERE by_open IS NOT NULL;
CREATE INDEX plans_by_occasion ON plans (by_occasion, key) WHERE by_occasion IS NOT NULL;
CREATE TABLE protections (key TEXT PRIMARY KEY, body TEXT NOT NULL);
ALTER TABLE movements ADD COLUMN by_restated TEXT;
UPDATE movements SET by_restated = by_symbol WHERE body LIKE '%"kind":"a-ratio"%';
CREATE INDEX movements_by_restated ON movements (by_restated, key) WHERE by_restated IS NOT NULL;
ALTER TABLE orders ADD COLUMN by_plan_step TEXT;
CREATE INDEX orders_by_plan_step ON orders (by_plan_step, key) WHERE by_plan_step IS NOT NULL;
