"""Compiled structures that fold events into feature values. They know arrays, not declarations."""
