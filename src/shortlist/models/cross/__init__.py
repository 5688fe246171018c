"""The insides of the cross network."""
