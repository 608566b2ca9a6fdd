-- The other names of symbols: a broker's other spelling, and the name before a rename.

CREATE TABLE symbol_names (key TEXT PRIMARY KEY, body TEXT NOT NULL);
