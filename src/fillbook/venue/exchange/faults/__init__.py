"""
The kinds of faults, and the plan that decides which request or event has one.

The gateways of the emulators, their streams and `venue.exchange.state` carry them out.
"""
