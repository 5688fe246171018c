"""What was measured of an index when it was chosen, and its description on disk, `index.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from shortlist.arrays import ArrayFileError

DESCRIPTION = "index.json"
_FORMAT = 1
_Count = Annotated[int, msgspec.Meta(ge=0)]


class IndexReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an index does against the exact search, on queries that nothing was tuned on.

    Args:
        name: of the kind of index, with how vectors are stored in it.
        num_bytes: what searches go through.
        n: how many items were asked for.
        recall: the share of the exact n that was found.
        num_queries: on how many queries it was measured.
        search_us: of one search by one thread, on average; None once read from disk, where seconds would
            make every build of the same release another one.
        build_s: seconds to build and tune it; None likewise.
    """

    name: str
    num_bytes: _Count
    n: _Count
    recall: Annotated[float, msgspec.Meta(ge=0, le=1)]
    num_queries: _Count
    search_us: float | None = None
    build_s: float | None = None


class ListsDescription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an index of inverted lists is made of; see `InvertedLists`."""

    codes: str
    num_lists: Annotated[int, msgspec.Meta(ge=1)]
    num_probes: Annotated[int, msgspec.Meta(ge=1)]
    tuned_n: Annotated[int, msgspec.Meta(ge=1)]
    head_bytes: _Count
    head_sha256: str


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `index.json`."""

    kind: str
    report: IndexReport | None
    lists: ListsDescription | None = None
    format: int = _FORMAT


def write_description(folder: Path, description: Description) -> None:
    """Write `index.json`, without what is another each time it is measured."""
    report = description.report
    if report is not None:
        report = msgspec.structs.replace(report, search_us=None, build_s=None)
    encoded = msgspec.json.encode(msgspec.structs.replace(description, report=report))
    (folder / DESCRIPTION).write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")


def read_description(folder: Path, kind: str | None = None) -> Description:
    """Read `index.json`.

    Raises:
        ArrayFileError: when it is missing, damaged, or of another format or kind.
    """
    path = folder / DESCRIPTION
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Description)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArrayFileError(f"{path}: expected the description of an index: {error}") from error
    if found.format != _FORMAT:
        raise ArrayFileError(
            f"{path}: expected format {_FORMAT}, received {found.format}. Load it with the version of "
            "Shortlist that wrote it, or train again."
        )
    if kind is not None and found.kind != kind:
        raise ArrayFileError(f"{path}: expected an index of kind {kind!r}, received {found.kind!r}.")
    return found


def report_as_dict(report: IndexReport) -> dict[str, Any]:
    """Lay a report out as plain JSON values, for a release's metadata."""
    return {
        "name": report.name,
        "num_bytes": report.num_bytes,
        f"recall@{report.n}": report.recall,
        "num_queries": report.num_queries,
    }
