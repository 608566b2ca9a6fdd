"""The market: instruments, sessions, matching and bars."""
