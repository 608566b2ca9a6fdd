"""P&L: its computation, its comparison with the bot's and the broker's figures, and slippage."""
