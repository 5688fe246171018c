"""Columns of numbers, categories and attributes, as models read them."""
