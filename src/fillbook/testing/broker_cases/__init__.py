"""The numbered cases of the broker suite, by subject."""
