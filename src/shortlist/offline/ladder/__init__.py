"""The ladder: contests between rungs, what each costs, and the sheet of trade-offs."""
