"""The link to the broker: requests, rate limit, lease, account, buying power and prices."""
