"""Which parts of a plan read the same source: a batch is selected, keyed and evaluated once for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from shortlist.features.key_layout import KeyLayout
from shortlist.features.key_space import KeySpace, key_text
from shortlist.features.plan import Plan, Source, Track


@dataclass(frozen=True)
class TrackUse:
    """A track of a source, by its number in the plan; tracks with equal `lanes` add the same values."""

    number: int
    track: Track
    space: KeySpace
    lanes: int


@dataclass(frozen=True)
class Use:
    """A source, and the tracks, recencies and histories that read it; `layout` is of the keys of its rows."""

    source: Source
    layout: KeyLayout
    tracks: list[TrackUse] = field(default_factory=list)
    recencies: list[tuple[int, KeySpace]] = field(default_factory=list)
    histories: list[tuple[str, KeySpace]] = field(default_factory=list)

    @cached_property
    def spaces(self) -> list[KeySpace]:
        """The key spaces that any of them is kept by."""
        spaces = [one.space for one in self.tracks]
        spaces += [space for _, space in (*self.recencies, *self.histories)]
        return list(dict.fromkeys(spaces))

    @cached_property
    def part_rows(self) -> list[int]:
        """The rows of keys that they need, but for those of pairs."""
        rows = [row for space in self.spaces for row in self.layout.parts_of[space]]
        return list(dict.fromkeys([*rows, self.layout.item_row] if self.histories else rows))

    @cached_property
    def lanes(self) -> dict[int, tuple[Track, int]]:
        """By their number, the lanes that tracks add to: one of those tracks, and where its lanes start."""
        lanes: dict[int, tuple[Track, int]] = {}
        start = 0
        for one in self.tracks:
            if one.lanes not in lanes:
                lanes[one.lanes] = one.track, start
                start += one.track.num_lanes
        return lanes

    @cached_property
    def num_lanes(self) -> int:
        """How many lanes there are in all."""
        return sum(track.num_lanes for track, _ in self.lanes.values())


def uses_of(plan: Plan, spaces: Mapping[str, KeySpace], layout: KeyLayout) -> list[Use]:
    """Return the sources of a plan, equal ones as one.

    Args:
        plan: of a declaration.
        spaces: the key spaces, by the text of their key.
        layout: of their keys.
    """
    uses: dict[str, Use] = {}

    def use(source: Source) -> Use:
        return uses.setdefault(str(source), Use(source, layout))

    lanes: dict[tuple[str, ...], int] = {}
    for number, track in enumerate(plan.tracks):
        same = lanes.setdefault((str(track.source), *map(str, track.values)), len(lanes))
        use(track.source).tracks.append(TrackUse(number, track, spaces[key_text(track.key)], same))
    for number, (source, key) in enumerate(plan.recencies):
        use(source).recencies.append((number, spaces[key_text(key)]))
    for name, history in plan.histories.items():
        source = Source("events", history.source, history.where)
        use(source).histories.append((name, spaces[key_text(history.key)]))
    return list(uses.values())
