"""The whole account against the record."""
