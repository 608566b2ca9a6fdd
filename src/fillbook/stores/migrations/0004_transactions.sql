-- The random word of the transaction that wrote an entry: it tells whether a COMMIT whose outcome
-- is not known was made, and whether the store was restored from a backup.  From here on the
-- journal may hold entries that release 0.1 does not know.

ALTER TABLE journal ADD COLUMN tx TEXT;
