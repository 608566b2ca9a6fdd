"""Stores of the record; each has an entry point of `fillbook.stores`."""
