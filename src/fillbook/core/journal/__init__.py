"""An entry, and what becomes of the records by it."""
