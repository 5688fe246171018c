"""What is found of a feature that knows the future, in words and in figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "derived from the label",
    "target statistic with its own row",
    "total of the whole period",
    "changed after the request",
]


@dataclass(frozen=True)
class Finding:
    """A column that knows the future, and the features that read it.

    Attributes:
        column: the attribute, context field or expression at fault, as declared.
        features: names of the declared features that read it.
        kind: what sort of leak it is.
        reason: how it was seen, in words.
        evidence: the figures behind the reason, by name.
        mend: what to do.
    """

    column: str
    features: tuple[str, ...]
    kind: Kind
    reason: str
    evidence: dict[str, float]
    mend: str

    def figures(self) -> list[str]:
        """Print the evidence, a line a figure."""
        return [
            f"{name} {value:,.0f}" if abs(value) >= 100 else f"{name} {value:.3g}"
            for name, value in self.evidence.items()
        ]


@dataclass(frozen=True)
class LeakageReport:
    """What a check for leakage looked at, and what it found.

    Attributes:
        findings: one a column at fault, in the order of declaration.
        columns: every column that was asked.
        not_asked: fields of requests that could not be asked: too few impressions came out either way.
        num_rows: trials that were looked at.
        num_events: events of the log behind them.
        sampling: how negatives were drawn; None when all trials were real impressions.
    """

    findings: tuple[Finding, ...]
    columns: tuple[str, ...]
    not_asked: tuple[str, ...]
    num_rows: int
    num_events: int
    sampling: str | None
