"""Filters drop candidates; nothing else does."""
