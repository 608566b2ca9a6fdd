"""The account: what it holds, what may be traded, and where two records of it differ."""
