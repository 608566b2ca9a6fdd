"""The commands that compare the record with the broker, and reconcile it."""
