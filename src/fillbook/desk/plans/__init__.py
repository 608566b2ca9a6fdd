"""Requests that fillbook proposes itself, without a call of the bot."""
