"""The plan: which running sums, histories and last times a declaration needs kept.

Features over the same events by the same key share one track; each reads its own windows and lanes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import Event
from shortlist.declare.expressions import Expression
from shortlist.declare.features import Age, Feature, Key, Last, Rate, Recency, Value, Windowed
from shortlist.declare.labels import Label


@dataclass(frozen=True)
class Source:
    """The rows a track sums.

    `events`: an event's rows. `positives`: the rows at which a label's impressions turned positive.
    `outcomes`: impressions and positives together, as lanes 0 and 1.
    """

    kind: Literal["events", "positives", "outcomes"]
    of: Event | Label
    where: Expression | None = None

    def __str__(self) -> str:
        return f"{self.kind}({self.of}, where={self.where})"


@dataclass
class Track:
    """Running sums of one source by one key; lane 0 counts, then (count, sum) of each value."""

    source: Source
    key: Key
    values: list[Expression] = field(default_factory=list)
    windows_us: list[int] = field(default_factory=list)
    tiles_us: list[int] = field(default_factory=list)

    @property
    def num_lanes(self) -> int:
        """How many sums each row adds to."""
        return 2 if self.source.kind == "outcomes" else 1 + 2 * len(self.values)

    def window(self, window_us: int, tile_us: int) -> int:
        """Return the number of a window, adding it when it is new."""
        for number, known in enumerate(zip(self.windows_us, self.tiles_us, strict=True)):
            if known == (window_us, tile_us):
                return number
        self.windows_us.append(window_us)
        self.tiles_us.append(tile_us)
        return len(self.windows_us) - 1

    def value_lane(self, value: Expression) -> int:
        """Return the lane that counts a value (its sum is the next), adding the pair when new."""
        texts = [str(known) for known in self.values]
        if str(value) not in texts:
            self.values.append(value)
            texts.append(str(value))
        return 1 + 2 * texts.index(str(value))

    def nests(self, tile_us: int) -> bool:
        """Tell whether a tile divides, or is divided by, every tile of the track."""
        return all(max(tile, tile_us) % min(tile, tile_us) == 0 for tile in self.tiles_us)


@dataclass(frozen=True)
class Reading:
    """Where a windowed column finds its sums: a track, a window of it, a lane."""

    track: int
    window: int
    lane: int


@dataclass(frozen=True)
class WindowedColumn:
    """A column out of sums; `overall` is the same reading over all keys, for a rate."""

    aggregate: str
    reading: Reading
    overall: Reading | None = None
    prior: float = 0.0


@dataclass(frozen=True)
class RecencyColumn:
    """A column out of last times: the number of the kept `Recency`."""

    kept: int


@dataclass(frozen=True)
class ValueColumn:
    """A column out of an expression; an age when `is_age`."""

    expression: Expression
    is_age: bool


@dataclass
class Plan:
    """What is kept, and how each column of the feature matrix is made from it.

    `columns[i]` makes the feature `names[i]`; `categorical` names the columns that hold text.
    """

    tracks: list[Track] = field(default_factory=list)
    recencies: list[tuple[Source, Key]] = field(default_factory=list)
    histories: dict[str, Last] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    columns: list[WindowedColumn | RecencyColumn | ValueColumn] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)


def make_plan(app: App) -> Plan:
    """Plan a declaration: its features and those that its surfaces' stages read.

    Raises:
        DeclarationError: for a feature of a kind that no path can compute.
    """
    plan = Plan()
    for feature in app.read_features().values():
        if isinstance(feature, Last):
            plan.histories[feature.name] = feature
            continue
        plan.names.append(feature.name)
        plan.columns.append(_column(plan, feature))
        if isinstance(feature, Value) and feature.expression.type == "str":
            plan.categorical.append(feature.name)
    return plan


def _column(plan: Plan, feature: Feature) -> WindowedColumn | RecencyColumn | ValueColumn:
    if isinstance(feature, Windowed):
        source = _source(feature.source, feature.where)
        track = _track(plan, source, feature.key, feature.tile_us)
        window = plan.tracks[track].window(feature.window_us, feature.tile_us)
        lane = 0 if feature.value is None else plan.tracks[track].value_lane(feature.value)
        return WindowedColumn(feature.aggregate, Reading(track, window, lane))
    if isinstance(feature, Rate):
        source = Source("outcomes", feature.label)
        readings = []
        for key in (feature.key, ()):
            track = _track(plan, source, key, feature.tile_us)
            window = plan.tracks[track].window(feature.window_us, feature.tile_us)
            readings.append(Reading(track, window, 0))
        return WindowedColumn("rate", readings[0], readings[1], feature.prior)
    if isinstance(feature, Recency):
        plan.recencies.append((_source(feature.source, feature.where), feature.key))
        return RecencyColumn(len(plan.recencies) - 1)
    if isinstance(feature, Age):
        return ValueColumn(feature.since, is_age=True)
    if isinstance(feature, Value):
        return ValueColumn(feature.expression, is_age=False)
    raise DeclarationError(
        f"feature {feature}",
        expected="a windowed aggregate, rate, last, recency, age or value",
        received=type(feature).__name__,
        mend="Build features with sl.count, sum, mean, rate, last, recency and age.",
    )


def _source(of: Event | Label, where: Expression | None) -> Source:
    return Source("positives" if isinstance(of, Label) else "events", of, where)


def _track(plan: Plan, source: Source, key: Key, tile_us: int) -> int:
    for number, track in enumerate(plan.tracks):
        same = str(track.source) == str(source) and [*map(str, track.key)] == [*map(str, key)]
        if same and track.nests(tile_us):
            return number
    plan.tracks.append(Track(source, key))
    return len(plan.tracks) - 1
