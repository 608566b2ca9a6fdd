"""The Alpaca adapter, over alpaca-py, which is imported when a broker is constructed."""

from fillbook.brokers.alpaca.client import AlpacaBroker

__all__ = ["AlpacaBroker"]
