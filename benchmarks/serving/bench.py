"""What every figure is given: how many clips, where their folders lie, where to print."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from serving.catalogue import Catalogue, catalogue
from serving.driving import Driven

_TOO_LATE_MS = 2.0


@dataclass(frozen=True)
class Bench:
    """A run of the benchmark.

    Args:
        console: where to print.
        root: the folder of the catalogues; each lies in `serving-<items>`.
        num_items: clips.
    """

    console: Console
    root: Path
    num_items: int

    def built(self, num_items: int | None = None) -> Catalogue:
        """Return a catalogue, built when it is not there."""
        count = self.num_items if num_items is None else num_items
        return catalogue(self.root / f"serving-{count}", count, self.console)

    def table(self, title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """Print a table; the first column says what, the others are figures."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*map(str, row))
        self.console.print(table)

    def say_if_late(self, *driven: Driven | None) -> None:
        """Warn when the generator was too late for its figures to be the server's alone."""
        late_ms = max((one.late_ms for one in driven if one is not None), default=0.0)
        if late_ms > _TOO_LATE_MS:
            self.console.print(
                f"   The generator was late by {ms(late_ms)} at its p99, for the machine was busy: latencies "
                "hold that too.",
                style="yellow",
            )


def ms(value_ms: float) -> str:
    """Write milliseconds with the digits that matter; of what was never answered, that."""
    if not math.isfinite(value_ms):
        return "-" if math.isnan(value_ms) else "never"
    return f"{value_ms:,.2f} ms" if value_ms < 100 else f"{value_ms:,.0f} ms"


def counted(counts: dict[object, int]) -> str:
    """Write counts by name, the most frequent first; a dash for none."""
    return (
        ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))
        or "-"
    )
