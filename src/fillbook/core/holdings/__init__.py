"""What changes a holding besides a fill: exchanged units, fees in units, and its lots."""
