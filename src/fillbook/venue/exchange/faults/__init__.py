"""The faults and the fault plan."""
