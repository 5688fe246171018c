"""Neighbours of items: how they are found, and how a history adds them up."""
