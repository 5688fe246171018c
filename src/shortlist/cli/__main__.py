"""`python -m shortlist.cli`: the command line of exactly this Python."""

from __future__ import annotations

from shortlist.cli import main

main()
