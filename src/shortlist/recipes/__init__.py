"""Recipes: a declaration that runs, and what turns data into history; each is found by its folder's name."""
