"""Trees as arrays: read from LightGBM's text, scored by a compiled kernel."""
