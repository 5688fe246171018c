"""How models are solved for, and how their settings are chosen on people left out."""
