"""What the emulators of all brokers share: the server, its replies, its WebSocket connections."""
