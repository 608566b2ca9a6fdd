"""Alpaca's JSON: requests, replies and the outcomes of replies; pure."""
