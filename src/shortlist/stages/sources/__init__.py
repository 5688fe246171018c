"""Sources propose candidates."""
