"""
Alpaca's wire over our exchange: HTTP and WebSocket, so that any client talks to it as to Alpaca.

`Emulator` runs the server, in the `Behavior` that are asked for; the exchange behind it is moved
through the exchange itself, and what goes wrong on the way is in the exchange's fault plan.
"""

from fillbook.venue.alpaca.server import Emulator
from fillbook.venue.alpaca.switches import Behavior

__all__ = ["Behavior", "Emulator"]
