"""Access of other processes: tokens, and what they instruct."""
