"""The same work as people write it today, with other tools."""
