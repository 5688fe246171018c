"""The sheet of trade-offs: what each rung and each source is worth, and what it costs, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shortlist.declare.surface import Surface
from shortlist.metrics import Interval
from shortlist.offline.ladder.compare import SurfaceComparison
from shortlist.offline.ladder.costs import Cost, num_candidates, ranking_ms
from shortlist.offline.replay.report import FunnelReport
from shortlist.offline.report import interval_as_list, printed, table, verdict
from shortlist.releases.model_card import markdown_table

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Line:
    """A rung, a baseline or a source.

    Attributes:
        name: what it is called.
        definition: its settings, as declared.
        quality: by metric, with the interval over resampled users; None where it is not defined.
        cost: None for a baseline, and for a source without a model.
        p99_ms: of one request; None for a baseline.
        verdict: why it was chosen, or why not; empty for a source.
        is_chosen: whether the release has it.
    """

    name: str
    definition: str
    quality: Mapping[str, Interval | None]
    cost: Cost | None
    p99_ms: float | None
    verdict: str
    is_chosen: bool


@dataclass(frozen=True)
class Part:
    """One table of the sheet: the rungs for a label, or the sources of a surface.

    Attributes:
        surface: the surface's name.
        label: what the rungs predict; None for sources.
        budget_ms: how long one rung may take at p99; None for sources.
        num_candidates: of the request that a rung was timed on; None for sources.
        lines: in the order of the declaration, baselines first.
        notes: what else there is to say, a sentence each.
    """

    surface: str
    label: str | None
    budget_ms: float | None
    num_candidates: int | None
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the part compares."""
        if self.label is None:
            return f"{self.surface}: sources, on held-out time"
        budget = "" if self.budget_ms is None else f"; at most {self.budget_ms:.3g} ms each"
        return f"{self.surface}: rungs for {self.label}, on held-out time{budget}"


@dataclass(frozen=True)
class Sheet:
    """All parts, and the machine that the costs were measured on."""

    machine: str
    parts: tuple[Part, ...]


def ranker_parts(comparison: SurfaceComparison, surface: Surface, features_ms: float) -> tuple[Part, ...]:
    """Make a part of each label's contest, which was measured.

    Args:
        comparison: of the surface.
        surface: as declared.
        features_ms: p99 of reading a request's features.
    """
    parts = []
    num_labels, num_scored = len(surface.value), num_candidates(surface)
    who = "a rung has" if num_labels == 1 else f"the rungs of {num_labels} labels share"
    shared = (
        f"Features took {features_ms:.1f} ms at p99 for {num_scored} candidates; {who} the rest of "
        f"{ranking_ms(surface):.3g} ms, which is what an answer's {surface.slo.p99_ms:g} ms leave to rank in."
    )
    for contest in comparison.contests:
        lines = tuple(
            Line(
                one.name,
                one.definition,
                {"gauc": one.score.gauc, "log_loss": one.score.log_loss},
                one.cost,
                None if one.cost is None else one.cost.p99_ms,
                verdict(contest, one),
                one is contest.chosen,
            )
            for one in contest.contenders
        )
        notes = [shared]
        if contest.is_over(contest.chosen):
            notes.append(
                f"WARNING: no rung is within {contest.budget_ms:.3g} ms. The fastest was chosen; when it is "
                "late, the sources' order stands. Raise slo=sl.SLO(p99_ms=...), or add a lighter rung."
            )
        parts.append(
            Part(comparison.surface, contest.label, contest.budget_ms, num_scored, lines, tuple(notes))
        )
    return tuple(parts)


def source_part(
    report: FunnelReport, definitions: Sequence[str], costs: Mapping[int, Cost], p99_ms: Sequence[float]
) -> Part:
    """Make a part of a surface's sources.

    Args:
        report: of a replay of the surface.
        definitions: of each source, as declared.
        costs: by place, of the sources that have a model.
        p99_ms: of each source.
    """
    lines = tuple(
        Line(
            source.name,
            definitions[place],
            {"recall": source.recall},
            costs.get(place),
            p99_ms[place],
            "",
            True,
        )
        for place, source in enumerate(report.sources)
    )
    union = Line("all together", "", {"recall": report.union}, None, None, "", True)
    notes = [
        f"Recall: the share of {report.num_moments:,} items, each chosen by one of {report.num_users:,} "
        "users for the first time, that the source proposed just before. Its model knew only the time before "
        "the test period.",
    ]
    return Part(report.surface, None, None, None, (*lines, union), tuple(notes))


def sheet_tables(sheet: Sheet) -> list[tuple[Table, Sequence[str]]]:
    """Return each part as a table for a terminal, and its notes."""
    made: list[tuple[Table, Sequence[str]]] = []
    for part in sheet.parts:
        heads, rows = _cells(part)
        one = table(part.title, heads[0], *(f">{head}" for head in heads[1:-1]), heads[-1])
        for line, row in zip(part.lines, rows, strict=True):
            one.add_row(*row, style="bold" if line.is_chosen and part.label is not None else None)
        made.append((one, part.notes))
    return made


def sheet_markdown(sheet: Sheet) -> str:
    """Return the sheet as Markdown, without a heading of its own."""
    blocks = []
    for part in sheet.parts:
        heads, rows = _cells(part)
        blocks += [f"### {part.title}", markdown_table(heads, rows), *part.notes]
    return "\n\n".join([*blocks, *legend(sheet)])


def sheet_as_dict(sheet: Sheet) -> dict[str, Any]:
    """Return the sheet as plain JSON values; `markdown` is what a model card prints."""
    return {
        "machine": sheet.machine,
        "parts": [
            {
                "surface": part.surface,
                "label": part.label,
                "budget_ms": part.budget_ms,
                "num_candidates": part.num_candidates,
                "lines": [
                    {
                        "name": line.name,
                        "definition": line.definition,
                        "quality": {name: interval_as_list(value) for name, value in line.quality.items()},
                        "cost": None if line.cost is None else asdict(line.cost),
                        "p99_ms": line.p99_ms,
                        "verdict": line.verdict,
                        "is_chosen": line.is_chosen,
                    }
                    for line in part.lines
                ],
                "notes": list(part.notes),
            }
            for part in sheet.parts
        ],
        "markdown": sheet_markdown(sheet),
    }


def legend(sheet: Sheet) -> tuple[str, ...]:
    """Say what the columns are, and which of them were measured where."""
    return (
        f"Seconds, MB and ms were measured on {sheet.machine}, and differ elsewhere; what is chosen within a "
        "budget depends on them.",
        "p99 ms: of one request: a rung scores as many candidates as the sources propose at most, a source "
        "proposes. Heads of one network are timed together, and each has an equal part. What other programs "
        "of a busy machine took in between is not counted.",
        "RAM: what Python and NumPy allocate to load the model and answer once, with the arrays that it maps "
        "from disk.",
    )


def _cells(part: Part) -> tuple[list[str], list[list[str]]]:
    qualities = {"gauc": "GAUC (95 %)", "log_loss": "log loss (95 %)", "recall": "recall (95 %)"}
    names = list(part.lines[0].quality)
    heads = ["source" if part.label is None else "rung", *(qualities[name] for name in names)]
    heads += ["fit s", "RAM MB", "disk MB", "p99 ms", ""]
    rows = [
        [
            line.name,
            *(printed(line.quality[name]) for name in names),
            *_measured(line.cost),
            "" if line.p99_ms is None else f"{line.p99_ms:.2f}",
            line.verdict,
        ]
        for line in part.lines
    ]
    return heads, rows


def _measured(cost: Cost | None) -> tuple[str, str, str]:
    if cost is None:
        return "", "", ""
    return f"{cost.fit_s:.1f}", _megabytes(cost.memory_bytes), _megabytes(cost.disk_bytes)


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.2f}"
