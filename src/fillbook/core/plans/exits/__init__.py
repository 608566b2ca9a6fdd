"""Exits: what protects a part of a position, and the steps that keep it protected."""
