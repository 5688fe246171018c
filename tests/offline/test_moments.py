"""The moments that a replay asks at, beside a slow reading of the log, record by record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from offline.market import HOUR_US, START_US, buys, market, market_log
from shortlist.features.offline import History
from shortlist.offline.errors import OfflineError
from shortlist.offline.replay.moments import check_users, draw_moments, log_times
from shortlist.offline.splits import Period
from shortlist.recipes.video.app import app as video_app


def eligible(log, user, item, kinds, is_wanted, window_us, period):
    """Return (user, item) -> (as of, moment) by reading the log from its start."""
    times_us, first, shown, wanted = [], {}, {}, set()
    for record in log.read(limit=10**9):
        times_us.append(record.log_time_us)
        pair = record.fields.get(user), record.fields.get(item)
        if record.kind == "impression":
            shown[pair] = record
        elif record.kind in kinds:
            first.setdefault(pair, (record, shown.get(pair)))
            if is_wanted(record) and period.start_us <= record.log_time_us < period.end_us:
                wanted.add(pair)
    found = {}
    for pair in wanted:
        record, impression = first[pair]
        as_of, moment_us = record.seq - 1, record.log_time_us
        if impression is not None and impression.log_time_us >= record.log_time_us - window_us:
            moment_us = impression.log_time_us
            as_of = sum(one < moment_us for one in times_us)
        if as_of >= sum(one < period.start_us for one in times_us):
            found[pair] = as_of, moment_us
    return found


def as_found(moments):
    return {
        (user, item): (int(seq), int(time_us))
        for user, item, seq, time_us in zip(
            moments.users, moments.items, moments.as_of_seqs, moments.times_us, strict=True
        )
    }


def test_without_impressions_the_moment_is_just_before_the_event(tmp_path):
    app = market()
    period = Period(START_US + 400 * HOUR_US, START_US + 600 * HOUR_US)
    with market_log(app, tmp_path, buys()) as log:
        history = History.read(app, log)
        times_us = log_times(log, history.last_seq)
        assert times_us.tolist() == [record.log_time_us for record in log.read(limit=10**9)]
        moments = draw_moments(history, times_us, app.surfaces["home"], period, num_moments=10**6)
        expected = eligible(log, "user", "item", {"buy"}, lambda one: one.fields["good"], HOUR_US, period)
    assert len(expected) > 40
    assert as_found(moments) == expected
    assert moments.num_eligible == len(moments)
    assert (np.diff(moments.as_of_seqs) >= 0).all()


def test_where_something_was_shown_the_moment_is_before_its_slate(log, history):
    surface = video_app.surfaces["home"]
    times_us = log_times(log, history.last_seq)
    start_us, end_us = np.quantile(history.impressions.times_us, (0.9, 0.95)).astype(int)
    period = Period(int(start_us), int(end_us))
    moments = draw_moments(history, times_us, surface, period, num_moments=10**6)

    def is_wanted(record):
        return record.kind == "like" or record.fields["watch_s"] > 20

    day_us = 24 * HOUR_US
    expected = eligible(log, "user", "video", {"watch", "like"}, is_wanted, day_us, period)
    assert len(expected) > 50
    assert as_found(moments) == expected
    slate_us = set(history.impressions.times_us.tolist())
    assert all(int(time_us) in slate_us for time_us in moments.times_us)


def test_a_draw_is_some_of_all_and_follows_from_its_seed(tmp_path):
    app = market()
    period = Period(START_US + 400 * HOUR_US, START_US + 700 * HOUR_US)
    with market_log(app, tmp_path, buys()) as log:
        history = History.read(app, log)
        times_us = log_times(log, history.last_seq)

    def draw(num_moments, seed):
        surface = app.surfaces["home"]
        return as_found(draw_moments(history, times_us, surface, period, num_moments=num_moments, seed=seed))

    some = draw(30, 0)
    assert len(some) == 30
    assert some == draw(30, 0)
    assert some != draw(30, 1)
    assert some.items() <= draw(10**6, 0).items()


def test_too_few_users_drawn_is_told_from_too_few_there(tmp_path):
    app = market()
    period = Period(START_US + 400 * HOUR_US, START_US + 700 * HOUR_US)
    with market_log(app, tmp_path, buys()) as log:
        history = History.read(app, log)
        times_us = log_times(log, history.last_seq)
    many = draw_moments(history, times_us, app.surfaces["home"], period, num_moments=100)
    assert check_users("home", many) == len(set(many.users))
    one = draw_moments(history, times_us, app.surfaces["home"], period, num_moments=1)
    with pytest.raises(OfflineError, match=r"received 1 of \d+ moments drawn, all of one user\. Draw more"):
        check_users("home", one)
    with pytest.raises(OfflineError, match=r"received 1, at 1 moments\. Log more days"):
        check_users("home", replace(one, num_eligible=1))
