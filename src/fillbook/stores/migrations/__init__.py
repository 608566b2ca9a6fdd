"""The numbered steps that made the tables what they are; a step is never changed."""
