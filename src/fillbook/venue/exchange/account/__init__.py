"""One account: what it holds, what it may spend, and what a client is shown of it."""
