"""One order, decided from its evidence."""
