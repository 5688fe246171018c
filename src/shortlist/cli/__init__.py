"""The command line: one file a verb; the only place that joins offline and online.

`verbs` lists the verbs, `project` finds the declaration and the data, `console` prints.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line."""
    # LightGBM's threads would spin while they wait for each other: on two cores that had other work too,
    # the demo's trees took 47 seconds instead of 12.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from shortlist.cli.verbs import cli

    cli()
