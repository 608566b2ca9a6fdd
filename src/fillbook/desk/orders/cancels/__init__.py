"""The parts of a cancel: its instruction, its attempts, and cancels that cannot be written."""
