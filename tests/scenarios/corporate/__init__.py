"""Corporate actions at a simulated broker: positions, strategies, orders, names."""
