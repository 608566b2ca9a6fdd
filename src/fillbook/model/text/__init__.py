"""Texts: those of a broker, and values as HTML."""
