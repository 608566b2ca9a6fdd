-- What orders can still cost, in the order in which that grew.

CREATE TABLE reservations (key TEXT PRIMARY KEY, body TEXT NOT NULL, by_open TEXT);
CREATE INDEX reservations_by_open ON reservations (by_open, key) WHERE by_open IS NOT NULL;
