"""The record: writing, reading, and the settings of a desk."""
