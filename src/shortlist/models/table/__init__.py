"""The compiled part of `VectorTable`."""
