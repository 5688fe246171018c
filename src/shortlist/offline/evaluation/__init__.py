"""Judging retrieval models over the whole catalogue, on any data set."""
