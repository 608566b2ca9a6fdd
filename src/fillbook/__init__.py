"""Keeps a trading bot's record true to its broker."""
