"""Stores: where the record is kept.  Each is named by an entry point of `fillbook.stores`."""
