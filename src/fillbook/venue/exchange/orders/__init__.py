"""The orders of the exchange: checks, life cycle, replaces, groups, indexes of open orders."""
