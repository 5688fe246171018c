"""The history of a simulated world, as the sources that a log imports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortlist.log import HistorySource
from shortlist.world import History


def history_sources(history: History) -> list[HistorySource]:
    """Name the columns of a world's history as the declaration in `app.py` does.

    A log has no id for these rows: import them once.

    Args:
        history: what `World.history` returned.

    Returns:
        Updates of users and videos, then impressions, watches and likes: events of the same
        microsecond keep this order in the log.
    """
    # The world counts slots from 0, the log positions from 1.
    shown = {**history.impressions, "position": history.impressions["position"] + 1}
    return [
        _source("user", history.user_updates),
        _source("video", history.video_updates, published="published_us"),
        _source("impression", shown, request_id="slate"),
        _source("watch", history.watches),
        _source("like", history.likes),
    ]


def _source(kind: str, columns: Mapping[str, Any], **renamed: str) -> HistorySource:
    fields = {name: name for name in columns if name not in ("time_us", *renamed.values())}
    return HistorySource(kind, columns, fields | renamed, time="time_us")
