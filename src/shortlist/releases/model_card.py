"""The model card: what a release is, for a person to read, rendered from what its manifest says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from shortlist.releases.manifest import FileEntry, Metadata

CARD = "card.md"


def render_card(metadata: Metadata, files: dict[str, FileEntry]) -> str:
    """Render the card as Markdown.

    It is a file of the bundle, so it names neither the release's id nor the time it was made: the
    same content has the same card.

    Args:
        metadata: what the trainer says of the release.
        files: the other files of the bundle.
    """
    data = metadata.data
    parts = [
        f"# {metadata.app}",
        f"Declaration `{metadata.fingerprint}`, built from the log up to position {metadata.as_of_seq}.",
        "## Data",
        f"{data.num_examples:,} examples from {_rfc3339(data.first_us)} to {_rfc3339(data.last_us)}.",
        "## Metrics",
        _metrics(metadata.metrics),
        *_sheet(metadata.sections.get("sheet")),
        *_indexes(metadata.sections.get("indexes")),
        "## Surfaces",
        *(_surface(name, stages, metadata.p99_ms) for name, stages in metadata.stages.items()),
        "## Features",
        markdown_table(["column", "kind"], [[_code(field.name), field.kind] for field in metadata.features]),
        "## Files",
        markdown_table(["file", "bytes"], [[_code(name), f"{files[name].size:,}"] for name in sorted(files)]),
    ]
    return "\n\n".join(parts) + "\n"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, or that there is none."""
    if not rows:
        return "None."
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _sheet(sheet: object) -> Sequence[str]:
    """Return the sheet of trade-offs, where the ladder was measured and wrote one."""
    found = sheet.get("markdown") if isinstance(sheet, dict) else None
    return ["## Trade-offs", found] if isinstance(found, str) else []


def _indexes(indexes: object) -> Sequence[str]:
    """Return how the vector indexes do, where the release has any."""
    rows = [one for one in indexes if isinstance(one, dict)] if isinstance(indexes, list) else []
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [
        "## Vector indexes",
        markdown_table(names, [[_cell(row.get(name)) for name in names] for row in rows]),
    ]


def _metrics(metrics: dict[str, dict[str, float | None]]) -> str:
    names = list(dict.fromkeys(name for row in metrics.values() for name in row))
    rows = [[_code(model), *(_number(row.get(name)) for name in names)] for model, row in metrics.items()]
    return markdown_table(["model", *names], rows)


def _surface(name: str, stages: Sequence[str], p99_ms: dict[str, float]) -> str:
    budget = f", p99 under {p99_ms[name]:g} ms" if name in p99_ms else ""
    steps = "\n".join(f"{place}. {_code(stage)}" for place, stage in enumerate(stages, start=1))
    return f"`{name}`{budget}:\n\n{steps}"


def _code(text: str) -> str:
    return f"`{text}`"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return _number(value)
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _rfc3339(time_us: int) -> str:
    seconds, microseconds = divmod(time_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds).isoformat()
