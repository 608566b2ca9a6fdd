"""The errors of the command line, and its interruption."""
