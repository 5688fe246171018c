"""The command line: one file a verb; the only place that joins offline and online.

`verbs` lists the verbs, `project` finds the declaration and the data, `console` prints.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from shortlist.cli.verbs import cli

    cli()
