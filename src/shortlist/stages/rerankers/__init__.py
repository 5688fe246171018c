"""Re-rankers order candidates."""
