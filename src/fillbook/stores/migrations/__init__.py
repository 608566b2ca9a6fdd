"""
The numbered migrations that create the tables; a released migration is never changed.

`stores.sql.apply_migrations` carries them out.  What the tables contain is upgraded elsewhere:
stored words by `codec.upcast`, records by `desk.record.replay`.
"""
