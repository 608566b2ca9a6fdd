"""
An emulator of Alpaca's API over the simulated exchange: HTTP and WebSocket, for any client.

`Emulator` runs the server with the given `Behavior`.  Tests drive the exchange through
`Exchange`, and its fault plan also decides the faults of requests.
"""

from fillbook.venue.alpaca.server import Emulator
from fillbook.venue.alpaca.switches import Behavior

__all__ = ["Behavior", "Emulator"]
