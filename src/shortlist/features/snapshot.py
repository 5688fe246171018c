"""Snapshots of the online state: one file of plain arrays, so that a restart is snapshot + log tail.

What the state holds is written, not the room that its arrays have left, and in few bytes: see `narrow`.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from shortlist.features.kept import KeptState, LastTimes
from shortlist.features.kernels.arena import TileArena
from shortlist.features.kernels.attribution import Attribution
from shortlist.features.kernels.key_index import PairIndex
from shortlist.features.kernels.recent import RecentItems
from shortlist.features.narrow import narrowed, widened
from shortlist.features.resolve import Resolver
from shortlist.features.vocabulary import Vocabulary

FILE = "state.npz"
_FORMAT = 2
_HEADER = "header"
_TEXTS_AT_ONCE = 4096

Arrays = dict[str, np.ndarray]


class SnapshotMismatch(ValueError):
    """A snapshot that cannot be used; the state is rebuilt from the log instead."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"snapshot {path}: {reason}. Delete it: the state is rebuilt from the log")


class _Header(msgspec.Struct, frozen=True):
    format: int
    fingerprint: str
    last_seq: int
    last_log_time_us: int


def write_snapshot(folder: Path, fingerprint: str, position: tuple[int, int], arrays: Arrays) -> None:
    """Write a snapshot; the file appears whole or not at all.

    Args:
        folder: where; made when missing.
        fingerprint: of the declaration.
        position: the last record folded: its seq and its log time in microseconds.
        arrays: the state, from `freeze`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = msgspec.json.encode(_Header(_FORMAT, fingerprint, *position))
    unfinished = folder / f"{FILE}.unfinished"
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_HEADER: np.frombuffer(header, np.uint8)}, **arrays)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / FILE)


def read_snapshot(folder: Path, fingerprint: str) -> tuple[tuple[int, int], Arrays]:
    """Read a snapshot of this declaration: the position of the last record folded, and the state.

    Raises:
        SnapshotMismatch: when there is none, it is damaged, or it is of another declaration.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        header = msgspec.json.decode(arrays.pop(_HEADER).tobytes(), type=_Header)
    except FileNotFoundError:
        raise SnapshotMismatch(path, "expected a file, found none") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise SnapshotMismatch(path, f"expected a whole file, it is damaged ({error})") from None
    if header.format != _FORMAT:
        raise SnapshotMismatch(path, f"expected format {_FORMAT}, it is of {header.format}")
    if header.fingerprint != fingerprint:
        raise SnapshotMismatch(
            path, f"expected declaration {fingerprint[:12]}, it is of {header.fingerprint[:12]}"
        )
    return (header.last_seq, header.last_log_time_us), arrays


def freeze(resolver: Resolver, kept: KeptState) -> Callable[[], Arrays]:
    """Copy what later records change, and return what makes the whole state's named arrays of it.

    The writer must wait for the copy, which is as quick as memory is; it need not wait for the rest.
    """
    tables = [
        (name, table, len(table), {text: len(v) for text, v in table.vocabularies.items()}, table.freeze())
        for name, table in resolver.tables.items()
    ]
    pairs = {
        number: space.pairs.snapshot()
        for number, space in enumerate(resolver.key_spaces.values())
        if space.pairs is not None
    }
    attribution = resolver.labels.attribution.snapshot()
    arenas = [arena.copy() for arena in kept.arenas]
    last_times = [last.snapshot() for last in kept.last_times]
    histories = [history.copy() for history in kept.histories.values()]

    def arrays() -> Arrays:
        named: Arrays = {}

        def put(prefix: str, parts: Mapping[str, np.ndarray]) -> None:
            named.update({f"{prefix}/{name}": narrowed(part) for name, part in parts.items()})

        for name, table, size, num_texts, columns in tables:
            named[f"entity/{name}/ids"] = _packed(table.vocabulary, size)
            put(f"entity/{name}/column", columns())
            for text, vocabulary in table.vocabularies.items():
                named[f"entity/{name}/texts/{text}"] = _packed(vocabulary, num_texts[text])
        for number, parts in pairs.items():
            put(f"keys/{number}/pairs", parts)
        put("attribution", attribution)
        for number, arena in enumerate(arenas):
            put(f"arena/{number}", arena.snapshot())
        for number, parts in enumerate(last_times):
            put(f"last/{number}", parts)
        for number, history in enumerate(histories):
            put(f"history/{number}", history.snapshot())
        return named

    return arrays


def restore_arrays(arrays: Arrays, resolver: Resolver, kept: KeptState) -> None:
    """Fill a new state of the same declaration with what `freeze` gave."""

    def parts(prefix: str) -> Arrays:
        cut = len(prefix) + 1
        named = arrays.items()
        return {name[cut:]: widened(part) for name, part in named if name.startswith(f"{prefix}/")}

    for name, table in resolver.tables.items():
        table.vocabulary.insert(_unpacked(arrays[f"entity/{name}/ids"]))
        for attribute, vocabulary in table.vocabularies.items():
            vocabulary.insert(_unpacked(arrays[f"entity/{name}/texts/{attribute}"]))
        table.update(np.arange(len(table)), parts(f"entity/{name}/column"))
    for number, space in enumerate(resolver.key_spaces.values()):
        if space.pairs is not None:
            space.pairs = PairIndex.restore(parts(f"keys/{number}/pairs"))
    labels = resolver.labels
    labels.attribution = Attribution.restore(labels.within_us, parts("attribution"))
    for number, track in enumerate(kept.plan.tracks):
        kept.arenas[number] = TileArena.restore(
            track.windows_us, track.tiles_us, track.num_lanes, parts(f"arena/{number}")
        )
    for number in range(len(kept.last_times)):
        kept.last_times[number] = LastTimes.restore(parts(f"last/{number}"))
    for number, (name, history) in enumerate(kept.plan.histories.items()):
        kept.histories[name] = RecentItems.restore(history.n, parts(f"history/{number}"))


def _packed(vocabulary: Vocabulary, size: int) -> np.ndarray:
    """Return the first `size` texts as a JSON list, written piece by piece: others want to run meanwhile."""
    pieces = []
    for start in range(0, size, _TEXTS_AT_ONCE):
        texts = vocabulary.texts(range(start, min(start + _TEXTS_AT_ONCE, size)))
        pieces.append(msgspec.json.encode(texts)[1:-1])
        time.sleep(0)
    return np.frombuffer(b"[" + b",".join(pieces) + b"]", np.uint8)


def _unpacked(packed: np.ndarray) -> list[str]:
    return msgspec.json.decode(packed.tobytes(), type=list[str])
