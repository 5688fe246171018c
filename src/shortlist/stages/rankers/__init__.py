"""Rankers score candidates."""
