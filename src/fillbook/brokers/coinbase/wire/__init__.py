"""Coinbase's JSON, decoded and encoded: no network, no SDK, no clock."""
