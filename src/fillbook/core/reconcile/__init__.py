"""Reconciliation: the differences between our record and the broker, and their confidence."""
