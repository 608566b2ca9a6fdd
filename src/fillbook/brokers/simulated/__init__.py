"""The simulated broker: an adapter of the exchange in `fillbook.venue`, in this process."""

from fillbook.brokers.simulated.client import SimulatedBroker

__all__ = ["SimulatedBroker"]
