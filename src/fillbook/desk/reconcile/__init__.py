"""The reconciliation of the record with the account."""
