"""Alpaca's JSON: what is sent, what is read, and what an answer means; pure."""
