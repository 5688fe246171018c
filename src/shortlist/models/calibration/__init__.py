"""Calibration: from a score to a probability that means what it says."""
