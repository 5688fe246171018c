"""The insides of the causal transformer."""
