"""A whole log, read once: what it holds once, and how it answers more requests than fit at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import shortlist as sl
from shortlist.features.history import read_history
from shortlist.features.offline import History, Requests
from shortlist.features.schema import log_schemas
from shortlist.log import Batch, Event, SqliteLog

NUM_WATCHES = 40


class LogOfSmallBatches(SqliteLog):
    """A log that is read a few records at a time."""

    def batches(self, after_seq: int = 0, upto_seq: int | None = None, max_rows: int = 7) -> Iterator[Batch]:
        return super().batches(after_seq, upto_seq, min(max_rows, 7))


@pytest.fixture
def app() -> sl.App:
    app = sl.App("small")
    user, video = app.entity("user"), app.entity("video", topic=str)
    watch = app.event("watch", user, video, watch_s=float)
    app.features(
        sl.count(watch, by=user, window="1h"),
        sl.count(watch, by=video, window="1h"),
        sl.sum(watch.watch_s, by=(user, video.topic), window="1h"),
        sl.recency(watch, by=user),
        video.topic,
    )
    return app


@pytest.fixture
def log(app: sl.App, tmp_path: Path) -> Iterator[SqliteLog]:
    with LogOfSmallBatches(tmp_path, log_schemas(app), clock=lambda: 10**15) as log:
        log.append([Event("video", {"video": f"v{n}", "topic": f"t{n % 2}"}) for n in range(4)])
        watches = ({"user": f"u{n % 3}", "video": f"v{n % 4}", "watch_s": n} for n in range(NUM_WATCHES))
        log.append([Event("watch", fields) for fields in watches])
        yield log


def test_what_tracks_share_is_held_once(app: sl.App, log: SqliteLog) -> None:
    history = read_history(app, log, None, None)
    first, *others = [*history.tracks.values(), *history.recencies.values()]
    assert len(first.seqs) == NUM_WATCHES
    for other in others:
        assert other.seqs is first.seqs
        assert other.times_us is first.times_us
    assert history.events["watch"].seqs is first.seqs
    by_user = next(number for number, track in enumerate(history.resolver.plan.tracks) if len(track.key) == 1)
    assert history.recencies[0].keys is history.tracks[by_user].keys


def test_many_requests_are_answered_a_part_at_a_time(
    app: sl.App, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History.read(app, log)
    random = np.random.default_rng(2)
    num_rows = 100
    requests = Requests(
        random.integers(-1, 3, num_rows),
        random.integers(-1, 4, num_rows),
        random.integers(0, log.last_seq, num_rows),
        np.full(num_rows, 10**15 + 1),
        {},
    )
    encoding = history.fit_encoding(requests, min_count=1)
    at_once = history.features(requests, encoding)
    monkeypatch.setattr("shortlist.features.offline._ROWS_AT_ONCE", 33)
    assert history.features(requests, encoding).tobytes() == at_once.tobytes()
    nobody = requests.take(slice(0, 0))
    assert history.features(nobody, encoding).shape == (0, encoding.num_columns)
