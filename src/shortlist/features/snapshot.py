"""Snapshots of the online state: one file of plain arrays, so that a restart is snapshot + log tail.

What the state holds is written, not the room that its arrays have left, and in few bytes: see `narrow`.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from shortlist.background import give_way, pieces
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
_TEXTS_AT_ONCE = 1024
_BYTES_AT_ONCE = 1 << 20
_SYNC_BYTES = 8 << 20
"""Bytes after which they are made durable: a log beside it that waits for the disk waits for few more."""

Arrays = dict[str, np.ndarray]
Named = Iterator[tuple[str, np.ndarray]]


class SnapshotMismatch(ValueError):
    """A snapshot that cannot be used; the state is rebuilt from the log instead."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"snapshot {path}: {reason}. Delete it: the state is rebuilt from the log")


class _Header(msgspec.Struct, frozen=True):
    format: int
    fingerprint: str
    last_seq: int
    last_log_time_us: int


def write_snapshot(
    folder: Path, fingerprint: str, position: tuple[int, int], arrays: Iterable[tuple[str, np.ndarray]]
) -> None:
    """Write a snapshot, an array after the other; the file appears whole or not at all.

    Args:
        folder: where; made when missing.
        fingerprint: of the declaration.
        position: the last record folded: its seq and its log time in microseconds.
        arrays: the state by name, from `freeze`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = msgspec.json.encode(_Header(_FORMAT, fingerprint, *position))
    unfinished = folder / f"{FILE}.unfinished"
    with unfinished.open("wb") as file:
        num_synced = 0
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in chain([(_HEADER, np.frombuffer(header, np.uint8))], arrays):
                for _ in _written(archive, name, array):
                    give_way()
                    if file.tell() - num_synced >= _SYNC_BYTES:
                        num_synced = file.tell()
                        _sync(file)
        _sync(file)
    unfinished.replace(folder / FILE)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _written(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> Iterator[None]:
    """Write an array of a dimension or more as `np.savez` does, but yield after each piece.

    It would copy 16 MB at a time while all others wait.
    """
    contiguous = np.ascontiguousarray(array)
    content = contiguous.reshape(-1).view(np.uint8).data
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
        header = np.lib.format.header_data_from_array_1_0(contiguous)
        np.lib.format.write_array_header_1_0(entry, header)
        for start in range(0, len(content), _BYTES_AT_ONCE):
            entry.write(content[start : start + _BYTES_AT_ONCE])
            yield


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


def freeze(resolver: Resolver, kept: KeptState) -> Callable[[], Named]:
    """Copy what later records change, and return what makes the whole state's named arrays of it, once.

    The writer must wait for the copy, which is as quick as memory is; it need not wait for the rest. The
    larger parts of the copy, sums and histories, are let go of one by one as their arrays are taken.
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

    def arrays() -> Named:
        for name, table, size, num_texts, columns in tables:
            yield f"entity/{name}/ids", _packed(table.vocabulary, size)
            yield from _narrowed(f"entity/{name}/column", columns())
            for text, vocabulary in table.vocabularies.items():
                yield f"entity/{name}/texts/{text}", _packed(vocabulary, num_texts[text])
        for number, parts in pairs.items():
            yield from _narrowed(f"keys/{number}/pairs", parts)
        yield from _narrowed("attribution", attribution)
        for number in range(len(arenas)):
            yield from _narrowed(f"arena/{number}", arenas.pop(0).snapshot())
        for number, parts in enumerate(last_times):
            yield from _narrowed(f"last/{number}", parts)
        for number in range(len(histories)):
            yield from _narrowed(f"history/{number}", histories.pop(0).snapshot())

    return arrays


def _narrowed(prefix: str, parts: Mapping[str, np.ndarray]) -> Named:
    for name, part in parts.items():
        give_way()
        yield f"{prefix}/{name}", narrowed(part)


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
    """Return the first `size` texts as a JSON list."""
    lists = [
        msgspec.json.encode(vocabulary.texts(range(some.start, some.stop)))[1:-1]
        for some in pieces(size, _TEXTS_AT_ONCE)
    ]
    packed = np.full(1 + sum(map(len, lists)) + max(1, len(lists)), ord(","), np.uint8)
    packed[0], packed[-1] = ord("["), ord("]")
    start = 1
    for one in lists:
        packed[start : start + len(one)] = np.frombuffer(one, np.uint8)
        start += len(one) + 1
        give_way()
    return packed


def _unpacked(packed: np.ndarray) -> list[str]:
    return msgspec.json.decode(packed.tobytes(), type=list[str])
