"""A short-video feed, on the simulated platform."""
