"""The commands that read the record, and the table of positions."""
