"""The insides of the two towers."""
