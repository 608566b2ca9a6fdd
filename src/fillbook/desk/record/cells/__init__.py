"""Cells that every process on a store reads: the lease, and the budget of requests."""
