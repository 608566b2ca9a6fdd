"""Readers of what plans are computed from."""
