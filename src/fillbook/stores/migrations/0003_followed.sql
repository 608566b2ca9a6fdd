-- The orders that are followed, by their symbol: an order is decided on without all others.

ALTER TABLE orders ADD COLUMN by_followed TEXT;
UPDATE orders SET by_followed = by_symbol WHERE by_open IS NOT NULL;
CREATE INDEX orders_by_followed ON orders (by_followed, key) WHERE by_followed IS NOT NULL;
