"""What may go wrong, and when."""
