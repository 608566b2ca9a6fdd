"""The journal and the records: what is stored."""
