"""Alpaca, through alpaca-py, which is imported when a broker is made and not before."""
