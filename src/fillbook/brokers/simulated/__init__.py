"""A broker in this process, over the exchange of `fillbook.venue`."""

from fillbook.brokers.simulated.client import SimulatedBroker

__all__ = ["SimulatedBroker"]
