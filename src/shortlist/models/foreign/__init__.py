"""What models that were fitted elsewhere must hold to."""
