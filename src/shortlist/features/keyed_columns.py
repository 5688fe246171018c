"""The columns that a request reads by key: steps that find keys, then steps that read what is kept of them.

Shape legend: C candidates, A attributes, F feature columns, P windowed columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute
from shortlist.features.kept import KeptState, LastTimes
from shortlist.features.kernels import columns as kernels
from shortlist.features.kernels import reading
from shortlist.features.kernels.addresses import ArrayTable
from shortlist.features.kernels.arena import TileArena
from shortlist.features.kernels.key_index import PairIndex
from shortlist.features.key_space import KeySpace
from shortlist.features.plan import RecencyColumn, WindowedColumn
from shortlist.features.resolve import Resolver
from shortlist.features.words import Words

_NUM_ARRAYS = 4  # that a structure has at most
_OPERATORS = {"count": kernels.COUNTS, "sum": kernels.SUM, "mean": kernels.MEAN, "rate": kernels.RATE}
_ALL = np.zeros(1, np.int64)
_Kept = PairIndex | TileArena | LastTimes


class KeyedColumns:
    """Reads sums and last times for one plan.

    Args:
        resolver: of the plan.
        kept: what is read.
        items: attributes of candidates; those that keys are made of are added.
        users: attributes of the user, likewise.
    """

    def __init__(self, resolver: Resolver, kept: KeptState, items: Words, users: Words) -> None:
        self._kept = kept
        windowed: dict[int, list[tuple[int, int, int, int]]] = {}
        overall: dict[int, WindowedColumn] = {}
        recencies: list[tuple[int, int]] = []
        for number, column in enumerate(resolver.plan.columns):
            if isinstance(column, WindowedColumn):
                at = column.reading
                row = (at.window, _OPERATORS[column.aggregate], at.lane, number)
                windowed.setdefault(at.track, []).append(row)
                if column.overall is not None:
                    overall[number] = column
            elif isinstance(column, RecencyColumn):
                recencies.append((column.kept, number))
        steps = _Steps(items, users)
        of_tracks = [steps.find(resolver.track_spaces[track]) for track in windowed]
        of_recencies = [steps.find(resolver.recency_spaces[recency]) for recency, _ in recencies]
        self._num_finding = len(steps.rows)
        program: list[tuple[int, int, int, int]] = []
        for (track, rows), key in zip(windowed.items(), of_tracks, strict=True):
            first = len(program)
            program += sorted(rows)  # by window, so that each window of a key is searched once
            steps.add(reading.SUMS, partial(kept.arenas.__getitem__, track), key, first, len(program))
        for (recency, number), key in zip(recencies, of_recencies, strict=True):
            steps.add(reading.LATEST, partial(kept.last_times.__getitem__, recency), key, number)
        self._steps = np.array(steps.rows, np.int64).reshape(-1, 5)
        self._program = np.array(program, np.int64).reshape(-1, 4)
        self._priors = np.zeros((len(program), 2))
        self._rates = [
            (place, overall[number]) for place, (*_, number) in enumerate(program) if number in overall
        ]
        for place, column in self._rates:
            self._priors[place, kernels.PRIOR] = column.prior
        self._structures = steps.structures
        self._table = ArrayTable(_NUM_ARRAYS * len(self._structures))

    def fill(self, of_user: np.ndarray, of_items: np.ndarray, now_us: int, out: np.ndarray) -> None:
        """Fill the columns of one request.

        Args:
            of_user: from `Words.of`, int64[1 + A, 1].
            of_items: from `Words.of`, int64[1 + A, C].
            now_us: the request's moment.
            out: float32[F, C], the matrix.
        """
        for number, structure in enumerate(self._structures):
            structure().locate(self._table, _NUM_ARRAYS * number)
        self._expect(now_us)
        reading.read_keyed(
            self._table.rows, self._steps, self._num_finding, of_user, of_items, now_us,
            self._program, self._priors, out,
        )  # fmt: skip

    def _expect(self, now_us: int) -> None:
        """Set what each rate's prior expects: the share of positives over all keys."""
        overall: dict[int, list[list[int]]] = {}
        for place, column in self._rates:
            assert column.overall is not None
            track = column.overall.track
            if track not in overall:
                overall[track] = self._kept.arenas[track].read(_ALL, now_us)[0].tolist()
            shown, positive, *_ = overall[track][column.overall.window]
            expected = (float(positive) + 1.0) / (float(shown) + 2.0)
            self._priors[place, kernels.EXPECTED] = column.prior * expected


class _Steps:
    """The steps as they are added: rows of `reading`, and the structures that some of them read."""

    def __init__(self, items: Words, users: Words) -> None:
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.structures: list[Callable[[], _Kept]] = []
        self._items, self._users = items, users
        self._found: dict[KeySpace | Entity | Attribute, int] = {}

    def find(self, space: KeySpace) -> int:
        """Return the step that finds the keys of a space, adding it when it is new."""
        if space not in self._found:
            parts = [self._find_part(part) for part in space.key]
            if not parts:
                self._found[space] = self._append(reading.EVERYTHING)
            elif space.pairs is None:
                self._found[space] = parts[0]
            else:
                self._found[space] = self.add(reading.PAIRS, partial(getattr, space, "pairs"), *parts)
        return self._found[space]

    def add(self, kind: int, structure: Callable[[], _Kept], *given: int) -> int:
        """Add a step that reads a structure, which may be replaced between requests; return its number."""
        self.structures.append(structure)
        return self._append(kind, *given, at=_NUM_ARRAYS * (len(self.structures) - 1))

    def _find_part(self, part: Entity | Attribute) -> int:
        if part not in self._found:
            entity = part if isinstance(part, Entity) else part.entity
            is_item = entity is self._items.entity
            words, kind = (self._items, reading.OF_ITEM) if is_item else (self._users, reading.OF_USER)
            place = reading.IDS if isinstance(part, Entity) else words.place(part.name)
            self._found[part] = self._append(kind, place)
        return self._found[part]

    def _append(self, kind: int, a: int = 0, b: int = 0, c: int = 0, *, at: int = 0) -> int:
        self.rows.append((kind, at, a, b, c))
        return len(self.rows) - 1
