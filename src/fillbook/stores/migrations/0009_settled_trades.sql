-- The trades of the bot's own record that were settled.

CREATE TABLE settled_trades (key TEXT PRIMARY KEY, body TEXT NOT NULL);
