"""Alpaca, through alpaca-py, which is imported when a broker is made and not before."""

from fillbook.brokers.alpaca.client import AlpacaBroker

__all__ = ["AlpacaBroker"]
