"""Declarations: pure, validated, fingerprinted; they do no I/O and know nothing above them."""
