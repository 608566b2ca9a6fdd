"""The record: written, read, and what a bot sets for it."""
