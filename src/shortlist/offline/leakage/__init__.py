"""Finds a feature that knows the future: one file a kind of evidence, `check.py` asks them all."""
