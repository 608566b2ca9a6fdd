"""
An emulator of Coinbase's Advanced Trade API over the simulated exchange, for any client.

`Emulator` runs the server with the given `Behavior`; `spot_exchange` makes an exchange of the form
that it needs.
"""

from fillbook.venue.coinbase.server import Emulator, spot_exchange
from fillbook.venue.coinbase.stream import Frame
from fillbook.venue.coinbase.switches import Behavior, ClientIds, Once

__all__ = ["Behavior", "ClientIds", "Emulator", "Frame", "Once", "spot_exchange"]
