"""Plans: made by a call of the bot or proposed by fillbook, approved, and carried out."""
