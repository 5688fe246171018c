"""Opening an index of whatever kind a folder holds."""

from __future__ import annotations

from pathlib import Path

from shortlist.arrays import ArrayFileError
from shortlist.index.contract import StoredIndex
from shortlist.index.exact import ExactIndex
from shortlist.index.inverted_lists import InvertedLists
from shortlist.index.report import DESCRIPTION, read_description

_KINDS: dict[str, type[StoredIndex]] = {one.kind: one for one in (ExactIndex, InvertedLists)}


def load_index(folder: Path) -> StoredIndex:
    """Map the index that was saved into a folder.

    Raises:
        ArrayFileError: when a file is missing or damaged, or the kind unknown.
    """
    kind = read_description(folder).kind
    if kind not in _KINDS:
        kinds = ", ".join(sorted(_KINDS))
        raise ArrayFileError(f"{folder / DESCRIPTION}: expected one of the kinds {kinds}, received {kind!r}.")
    return _KINDS[kind].load(folder)
