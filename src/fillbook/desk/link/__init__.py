"""The link to the broker: every request, its pace, whose account, at what price."""
