"""The account: positions, cash, instruments, reservations, and differences with the broker."""
