"""The Coinbase adapter, over coinbase-advanced-py; needs `pip install "fillbook[coinbase]"`."""

from fillbook.brokers.coinbase.client import CoinbaseBroker

__all__ = ["CoinbaseBroker"]
