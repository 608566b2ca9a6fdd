-- What a decision asks of the open orders, without reading all of them.

CREATE TABLE open_quantities (key TEXT PRIMARY KEY, body TEXT NOT NULL);
ALTER TABLE orders ADD COLUMN by_unclear TEXT;
CREATE INDEX orders_by_unclear ON orders (by_unclear, key) WHERE by_unclear IS NOT NULL;
ALTER TABLE orders ADD COLUMN by_opposing TEXT;
CREATE INDEX orders_by_opposing ON orders (by_opposing, key) WHERE by_opposing IS NOT NULL;
ALTER TABLE orders ADD COLUMN by_limit TEXT;
CREATE INDEX orders_by_limit ON orders (by_limit, key) WHERE by_limit IS NOT NULL;
CREATE INDEX orders_by_opposing_limit ON orders (by_opposing, by_limit) WHERE by_limit IS NOT NULL;
ALTER TABLE orders ADD COLUMN by_sent TEXT;
CREATE INDEX orders_by_sent ON orders (by_sent, key) WHERE by_sent IS NOT NULL;
ALTER TABLE reservations ADD COLUMN by_paid_from TEXT;
CREATE INDEX reservations_by_paid_from ON reservations (by_paid_from, key) WHERE by_paid_from IS NOT NULL;
