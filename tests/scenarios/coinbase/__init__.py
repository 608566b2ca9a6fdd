"""Scenarios at Coinbase, over HTTP and WebSocket."""
