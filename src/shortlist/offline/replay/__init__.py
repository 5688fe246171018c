"""The past, replayed through the funnel that serves."""
