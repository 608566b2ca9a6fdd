"""The numbered migrations that create the tables; a released migration is never changed."""
