"""What surrounds a command: its progress, its interruption, its errors and its exit code."""
