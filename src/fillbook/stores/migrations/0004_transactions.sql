-- The random id of the transaction that wrote an entry.  With it we determine whether a COMMIT of
-- unknown outcome was made, and whether the store was restored from a backup.  From here on the
-- journal may hold entries that release 0.1 does not know.

ALTER TABLE journal ADD COLUMN tx TEXT;
