-- The times after a stop in which no order opens the position again.

CREATE TABLE cooldowns (key TEXT PRIMARY KEY, body TEXT NOT NULL);
