"""Brokers of other manners: no lookup, no clock, other currencies, fees in the hold."""
