"""Access of other processes: tokens, the instructions that they write, and their execution."""
