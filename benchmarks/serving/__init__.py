"""The hot path measured: one catalogue of a million items, and a file for each figure."""
