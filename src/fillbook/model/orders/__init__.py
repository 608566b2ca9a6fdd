"""Orders: what is asked, what is reported, and what it amounts to."""
