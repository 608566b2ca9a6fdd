"""Applying the entries of the journal to the records."""
