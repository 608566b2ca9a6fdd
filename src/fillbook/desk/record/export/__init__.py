"""Exports of the record: its tables, as files and as frames."""
