"""Our record against the broker: what differs, and what of that is believed."""
