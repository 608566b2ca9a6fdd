"""The commands that place and change orders, and the output of one order."""
