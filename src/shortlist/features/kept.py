"""What the online fold keeps: running sums, last times and histories, by key slot.

Shape legend: N rows, C candidates, W windows, L lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from shortlist.declare.features import Last
from shortlist.features.kernels.addresses import ArrayTable
from shortlist.features.kernels.arena import TileArena
from shortlist.features.kernels.arrays import as_int64, is_nearly_full
from shortlist.features.kernels.latest import put_latest
from shortlist.features.kernels.recent import RecentItems
from shortlist.features.key_space import key_text
from shortlist.features.plan import Plan
from shortlist.features.resolve import Resolver
from shortlist.log.columns import NULL_INT


class LastTimes:
    """The time of the last row of each slot, int64 microseconds; NULL_INT where none."""

    def __init__(self) -> None:
        self.times_us = np.empty(0, np.int64)

    def add(self, slots: np.ndarray, times_us: np.ndarray) -> None:
        """Take rows in, slots int64[N] in log order; -1 is skipped."""
        slots, times_us = as_int64(slots), as_int64(times_us)
        while size := put_latest(self.times_us, slots, times_us):
            self._grow(size)

    def locate(self, table: ArrayTable, place: int) -> None:
        """Put the times into a table of arrays, if they were replaced since."""
        if table.arrays[place] is not self.times_us:
            table.put(place, self.times_us)

    def make_room(self, num_slots: int) -> None:
        """Grow before `add` must, if little is left; see `TileArena.make_room`."""
        if is_nearly_full(num_slots, len(self.times_us)):
            self._grow(num_slots)

    def _grow(self, size: int) -> None:
        grown = np.full(size * 3 // 2, NULL_INT, np.int64)
        grown[: len(self.times_us)] = self.times_us
        self.times_us = grown

    def read(self, slots: np.ndarray) -> np.ndarray:
        """Return the last times int64[C] of slots int64[C]."""
        if len(self.times_us) == 0:
            return np.full(len(slots), NULL_INT, np.int64)
        known = (slots >= 0) & (slots < len(self.times_us))
        return np.where(known, self.times_us[np.where(known, slots, 0)], NULL_INT)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the times as plain arrays that no later call changes: which slots have one, and those."""
        is_known = self.times_us != NULL_INT
        num_slots = len(is_known) - int(np.argmax(is_known[::-1])) if is_known.any() else 0
        return {"is_known": is_known[:num_slots].copy(), "times_us": self.times_us[is_known]}

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Return last times that answer every read as those that made the snapshot."""
        last = cls()
        last.times_us = np.full(len(arrays["is_known"]), NULL_INT, np.int64)
        last.times_us[arrays["is_known"]] = arrays["times_us"]
        return last


class KeptState:
    """The folds of a plan: an arena a track, last times a recency, recent items a history."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.arenas = [TileArena(track.windows_us, track.tiles_us, track.num_lanes) for track in plan.tracks]
        self.last_times = [LastTimes() for _ in plan.recencies]
        self.histories = {name: RecentItems(history.n) for name, history in plan.histories.items()}

    def history(self, feature: Last, slot: int, now_us: int) -> np.ndarray:
        """Return the last items int64[up to n] of a slot, newest first."""
        return self.histories[feature.name].read(slot, now_us, max_age_us(feature))

    @property
    def num_bytes(self) -> int:
        """Bytes held."""
        arenas = sum(arena.nbytes for arena in self.arenas)
        histories = sum(history.nbytes for history in self.histories.values())
        return arenas + histories + sum(last.times_us.nbytes for last in self.last_times)


def max_age_us(feature: Last) -> int:
    """Return how far back a history reaches, -1 for however far."""
    return -1 if feature.window_us is None else feature.window_us


def make_room(kept: KeptState, resolver: Resolver) -> None:
    """Grow what is nearly full, between batches: readers meanwhile go on with what there is."""
    num_slots = {text: resolver.num_slots(space) for text, space in resolver.key_spaces.items()}
    for track, arena in zip(kept.plan.tracks, kept.arenas, strict=True):
        arena.make_room(num_slots[key_text(track.key)])
    for (_, key), last in zip(kept.plan.recencies, kept.last_times, strict=True):
        last.make_room(num_slots[key_text(key)])
    for name, history in kept.histories.items():
        history.make_room(num_slots[key_text(kept.plan.histories[name].key)])
    for space in resolver.key_spaces.values():
        if space.pairs is not None:
            space.pairs.make_room()


def release_unreachable(kept: KeptState, resolver: Resolver, now_us: int) -> Iterator[None]:
    """Let go of what no window can reach at `now_us` or later, and of pairs that nothing is kept for.

    One structure a step, in a copy that then takes its place: readers see the one or the other, which
    answer the same. The state is whole after each step, so that records may come in between.
    """
    for number, arena in enumerate(kept.arenas):
        yield
        smaller = arena.copy()
        smaller.release(now_us)
        smaller.make_room(resolver.num_slots(resolver.track_spaces[number]))
        kept.arenas[number] = smaller
    for name, history in kept.histories.items():
        yield
        fewer = history.copy()
        fewer.release(now_us, max_age_us(kept.plan.histories[name]))
        fewer.make_room(resolver.num_slots(resolver.key_spaces[key_text(kept.plan.histories[name].key)]))
        kept.histories[name] = fewer
    yield
    resolver.labels.attribution.release(now_us)
    for text, space in resolver.key_spaces.items():
        if space.pairs is not None:
            yield
            used = _used_slots(kept, text, space.pairs.num_slots)
            left = space.pairs.copy()
            left.remove(np.flatnonzero(left.live() & ~used))
            space.pairs = left


def _used_slots(kept: KeptState, text: str, num_slots: int) -> np.ndarray:
    used = np.zeros(num_slots, bool)
    for track, arena in zip(kept.plan.tracks, kept.arenas, strict=True):
        if key_text(track.key) == text:
            used |= arena.live(num_slots)
    for (_, key), last in zip(kept.plan.recencies, kept.last_times, strict=True):
        if key_text(key) == text:
            used |= last.read(np.arange(num_slots)) != NULL_INT
    return used
