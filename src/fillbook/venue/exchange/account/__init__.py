"""One account: its ledger, its history, its buying power and its event stream."""
