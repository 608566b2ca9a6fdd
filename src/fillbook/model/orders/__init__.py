"""Orders: requests and intents, the broker's reports, and the resulting state."""
