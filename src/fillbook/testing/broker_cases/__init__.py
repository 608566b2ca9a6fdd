"""The numbered cases of the broker suite, by what they are about."""
