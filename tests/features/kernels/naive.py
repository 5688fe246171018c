"""Window sums as their definition reads, in loops: what both compiled paths must equal bit for bit."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    seq: int
    time_us: int
    key: int
    values: tuple[int, ...]


def window_sums(
    events: list[Event],
    key: int,
    as_of: int,
    time_us: int,
    windows: list[int],
    tiles: list[int],
    num_lanes: int,
) -> list[list[int]]:
    sums = []
    for window, tile in zip(windows, tiles, strict=True):
        first_us = (time_us - window) // tile * tile
        lanes = [0] * num_lanes
        for event in events:
            if event.key == key >= 0 and event.seq <= as_of and first_us <= event.time_us < time_us:
                lanes = [lane + value for lane, value in zip(lanes, event.values, strict=True)]
        sums.append([(lane + 2**63) % 2**64 - 2**63 for lane in lanes])
    return sums
