"""Features as of past moments, for a whole log at once: the same bits as the online structures gave then.

N events in log order, M requests in any order, K keys, W windows, L lanes, n items of a history.

An event is visible to a request (key, as_of, time) if it has that key, seq <= as_of and time before the
request's. `GroupedEvents` sorts the events of one key space by key once; each of its methods then answers
all requests in one pass. The functions below it do both for events that are asked one thing only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int32s, Int64s, as_int64
from shortlist.features.kernels.grouping import bounds_in_key, bounds_in_log, group

FOREVER_US = 1 << 62
NEVER_US = int(np.iinfo(np.int64).min)
LAST_SEQ = int(np.iinfo(np.int64).max) - 1


class GroupedEvents:
    """The events of one key space, sorted by key."""

    def __init__(self, keys: Int64s, seqs: Int64s, times_us: Int64s, num_keys: int) -> None:
        """Sort the events.

        Args:
            keys: int64[N], below num_keys; rows with key -1 are nobody's.
            seqs: int64[N], non-decreasing.
            times_us: int64[N], log times, non-decreasing.
            num_keys: K.
        """
        keys, self._seqs, self._times_us = as_int64(keys), as_int64(seqs), as_int64(times_us)
        assert keys.shape == self._seqs.shape == self._times_us.shape
        assert max(len(keys), num_keys) < 2**31 - 1, "row numbers are int32: split the log by key"
        assert keys.max(initial=-1) < num_keys
        assert (self._seqs[1:] >= self._seqs[:-1]).all(), "events must be in log order"
        assert (self._times_us[1:] >= self._times_us[:-1]).all(), "log times never step back"
        self._num_keys = num_keys
        self._offsets, self._rows = group(keys, num_keys)

    def window_sums(
        self,
        values: Int64s,
        request_keys: Int64s,
        request_as_of: Int64s,
        request_times_us: Int64s,
        windows_us: Sequence[int],
        tiles_us: Sequence[int],
    ) -> Int64s:
        """Sum the visible events with time >= floor((request time - window) / tile) * tile.

        Args:
            values: int64[N, L].
            request_keys: int64[M]; -1 and keys without events give zeros.
            request_as_of: int64[M], the last sequence number visible.
            request_times_us: int64[M].
            windows_us: W lengths.
            tiles_us: W lengths, each a divisor of its window.

        Returns:
            int64[M, W, L], in the order of the requests.
        """
        values = as_int64(values)
        spans_us = np.array([windows_us, tiles_us], dtype=np.int64)
        requests, bounds = self._bounds(request_keys, request_as_of, request_times_us, spans_us)
        sums = np.zeros((len(bounds), spans_us.shape[1], values.shape[1]), dtype=np.int64)
        _differences(_running_sums(values, self._rows), requests, bounds, sums)
        return sums

    def last_items(
        self,
        items: Int64s,
        request_keys: Int64s,
        request_as_of: Int64s,
        request_times_us: Int64s,
        n: int,
        max_age_us: int = -1,
    ) -> Int32s:
        """Return int32[M, n], the items of the last n visible events, newest first, padded with -1.

        `items` is int64[N], below 2**31; rows with item -1 are skipped only if their key is -1 as well.
        Events older than `max_age_us` are left out (-1: no limit).
        """
        span_us = FOREVER_US if max_age_us < 0 else max_age_us
        bounds = self._history(request_keys, request_as_of, request_times_us, span_us)
        assert items.max(initial=-1) < 2**31
        last = np.full((len(bounds), n), -1, dtype=np.int32)
        _copy_last(items.astype(np.int32)[self._rows], bounds, last)
        return last

    def as_of_rows(
        self,
        request_keys: Int64s,
        request_as_of: Int64s,
        request_times_us: Int64s,
        before_time: bool = False,
    ) -> Int64s:
        """Return int64[M], the row of the latest event with seq <= as_of, -1 if there is none.

        With `before_time` it must also be before the request's moment.
        """
        bounds = self._history(request_keys, request_as_of, request_times_us, FOREVER_US, before_time)
        head, tail = bounds.T
        latest = np.full(len(bounds), -1, dtype=np.int64)
        visible = head > tail
        latest[visible] = self._rows[head[visible] - 1]
        return latest

    def last_times(self, request_keys: Int64s, request_as_of: Int64s, request_times_us: Int64s) -> Int64s:
        """Return int64[M], the time of the last visible event; the least int64 if there is none."""
        rows = self.as_of_rows(request_keys, request_as_of, request_times_us, before_time=True)
        times_us = np.full(len(rows), NEVER_US, dtype=np.int64)
        times_us[rows >= 0] = self._times_us[rows[rows >= 0]]
        return times_us

    def _bounds(
        self, keys: Int64s, as_of: Int64s, times_us: Int64s, spans_us: Int64s, before_time: bool = True
    ) -> tuple[Int32s, Int32s]:
        """Return the requests that have a key, key by key, and int32[M, 1 + W] indexes of self._rows."""
        keys, times_us = as_int64(keys), as_int64(times_us)
        as_of = np.minimum(as_int64(as_of), LAST_SEQ)
        assert keys.shape == as_of.shape == times_us.shape
        bounds = bounds_in_log(self._seqs, self._times_us, as_of, times_us, spans_us, before_time)
        offsets, requests = group(keys, self._num_keys)
        bounds_in_key(self._offsets, self._rows, offsets, requests, bounds)
        return requests, bounds

    def _history(
        self, keys: Int64s, as_of: Int64s, times_us: Int64s, span_us: int, before_time: bool = True
    ) -> Int32s:
        """Return int32[M, 2]: head and tail in self._rows, equal where nothing is visible."""
        spans_us = np.array([[span_us], [1]], dtype=np.int64)
        requests, bounds = self._bounds(keys, as_of, times_us, spans_us, before_time)
        if len(requests) < len(bounds):
            keyless = np.ones(len(bounds), dtype=np.bool_)
            keyless[requests] = False
            bounds[keyless] = 0
        return bounds


def window_sums(
    event_keys: Int64s,
    event_seqs: Int64s,
    event_times_us: Int64s,
    values: Int64s,
    request_keys: Int64s,
    request_as_of: Int64s,
    request_times_us: Int64s,
    windows_us: Sequence[int],
    tiles_us: Sequence[int],
    num_keys: int,
) -> Int64s:
    """Return int64[M, W, L]; see `GroupedEvents.window_sums`."""
    events = GroupedEvents(event_keys, event_seqs, event_times_us, num_keys)
    return events.window_sums(values, request_keys, request_as_of, request_times_us, windows_us, tiles_us)


def last_items(
    event_keys: Int64s,
    event_items: Int64s,
    event_seqs: Int64s,
    event_times_us: Int64s,
    request_keys: Int64s,
    request_as_of: Int64s,
    request_times_us: Int64s,
    n: int,
    max_age_us: int = -1,
) -> Int32s:
    """Return int32[M, n]; see `GroupedEvents.last_items`. Rows whose item is -1 are skipped."""
    keys = np.where(as_int64(event_items) < 0, -1, event_keys)
    events = _grouped(keys, event_seqs, event_times_us)
    return events.last_items(event_items, request_keys, request_as_of, request_times_us, n, max_age_us)


def last_times(
    event_keys: Int64s,
    event_seqs: Int64s,
    event_times_us: Int64s,
    request_keys: Int64s,
    request_as_of: Int64s,
    request_times_us: Int64s,
) -> Int64s:
    """Return int64[M]; see `GroupedEvents.last_times`."""
    events = _grouped(event_keys, event_seqs, event_times_us)
    return events.last_times(request_keys, request_as_of, request_times_us)


def as_of_rows(
    event_keys: Int64s,
    event_seqs: Int64s,
    event_times_us: Int64s,
    request_keys: Int64s,
    request_as_of: Int64s,
    request_times_us: Int64s,
    before_time: bool = False,
) -> Int64s:
    """Return int64[M]; see `GroupedEvents.as_of_rows`."""
    events = _grouped(event_keys, event_seqs, event_times_us)
    return events.as_of_rows(request_keys, request_as_of, request_times_us, before_time)


def _grouped(keys: Int64s, seqs: Int64s, times_us: Int64s) -> GroupedEvents:
    return GroupedEvents(keys, seqs, times_us, int(np.max(keys, initial=-1)) + 1)


@compiled
def _running_sums(values: Int64s, rows: Int32s) -> Int64s:
    """int64[len(rows) + 1, L]: the sums of values[rows] before each position. They may wrap around."""
    num_lanes = values.shape[1]
    sums = np.empty((len(rows) + 1, num_lanes), dtype=np.int64)
    for lane in range(num_lanes):
        sums[0, lane] = 0
    for i in range(rows.shape[0]):
        for lane in range(num_lanes):
            sums[i + 1, lane] = sums[i, lane] + values[rows[i], lane]
    return sums


@compiled
def _differences(running: Int64s, requests: Int32s, bounds: Int32s, sums: Int64s) -> None:
    """Fill sums int64[M, W, L] at `requests`, key by key, so that what they read lies close together."""
    for i in range(requests.shape[0]):
        request = requests[i]
        head = bounds[request, 0]
        for w in range(sums.shape[1]):
            tail = bounds[request, 1 + w]
            for lane in range(sums.shape[2]):
                sums[request, w, lane] = running[head, lane] - running[tail, lane]


@compiled
def _copy_last(items: Int32s, bounds: Int32s, last: Int32s) -> None:
    """Copy, newest first, what lies before each head and not before its tail into int32[M, n]."""
    for request in range(last.shape[0]):
        head, tail = bounds[request, 0], bounds[request, 1]
        for rank in range(min(last.shape[1], head - tail)):
            last[request, rank] = items[head - 1 - rank]
