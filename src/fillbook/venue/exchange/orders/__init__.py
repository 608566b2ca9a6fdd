"""Orders at the exchange: taken, resting, matched, replaced, ended."""
