"""Orders: placed, changed, ended, followed."""
