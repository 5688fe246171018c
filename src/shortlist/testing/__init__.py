"""For tests, ours and yours: the oracle, slow and obviously right."""
