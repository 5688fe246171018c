"""Events and requests sorted by key, and how far each request sees into its key's events.

N events, M requests, K keys, W windows, B = 1 + W bounds a request: the head, then one tail a window.

Both sequence numbers and times rise along the log, so every limit of a request (log position, moment,
window tail) is first turned into a row number of the log. Within a key only int32 row numbers are then
compared: four bytes an event. Keys are sorted by counting, which is linear and keeps log order within
a key. A search starts where the last one ended and doubles its stride in either direction: requests in
log order cost one or two steps each, and any other order is right too.
"""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int32s, Int64s


@compiled
def group(keys: Int64s, num_keys: int) -> tuple[Int32s, Int32s]:
    """Sort rows by key, stable.

    Args:
        keys: int64[N]; rows with a key outside [0, num_keys) are left out.
        num_keys: K.

    Returns:
        offsets int32[K + 1] and rows int32[<= N]: the rows of key k are rows[offsets[k] : offsets[k + 1]].
    """
    offsets = np.zeros(num_keys + 1, dtype=np.int32)
    for row in range(keys.shape[0]):
        if 0 <= keys[row] < num_keys:
            offsets[keys[row] + 1] += 1
    for key in range(num_keys):
        offsets[key + 1] += offsets[key]
    rows = np.empty(offsets[num_keys], dtype=np.int32)
    # Filling moves every offset to the end of its key; shifting them by one key puts them back.
    for row in range(keys.shape[0]):
        key = keys[row]
        if 0 <= key < num_keys:
            rows[offsets[key]] = row
            offsets[key] += 1
    for key in range(num_keys, 0, -1):
        offsets[key] = offsets[key - 1]
    offsets[0] = 0
    return offsets, rows


@compiled
def _first_at_or_past(ascending: Int64s | Int32s, low: int, high: int, guess: int, bound: int) -> int:
    """The first index in [low, high] whose value is >= bound (high if none), searched from `guess`."""
    stride = 1
    if guess < high and ascending[guess] < bound:
        low = guess + 1
        while guess + stride < high and ascending[guess + stride] < bound:
            low = guess + stride + 1
            stride *= 2
        high = min(high, guess + stride)
    else:
        high = guess
        while guess - stride >= low and ascending[guess - stride] >= bound:
            high = guess - stride
            stride *= 2
        low = max(low, guess - stride + 1)
    while low < high:
        middle = (low + high) >> 1
        if ascending[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def bounds_in_log(
    event_seqs: Int64s,
    event_times_us: Int64s,
    as_of: Int64s,
    times_us: Int64s,
    spans_us: Int64s,
    before_time: bool,
) -> Int32s:
    """Turn each request's limits into row numbers of the log.

    Args:
        event_seqs: int64[N], ascending.
        event_times_us: int64[N], ascending.
        as_of: int64[M], the last sequence number each request may see.
        times_us: int64[M], the moment of each request.
        spans_us: int64[2, W], windows and tiles.
        before_time: whether the head must also be before the request's moment.

    Returns:
        int32[M, B]: rows below the head are visible, rows below a tail have left that window.
    """
    num_events, num_windows = event_seqs.shape[0], spans_us.shape[1]
    bounds = np.empty((as_of.shape[0], 1 + num_windows), dtype=np.int32)
    for bound in range(1 + num_windows):
        by_seq = by_time = 0
        for request in range(as_of.shape[0]):
            if bound == 0:
                by_seq = _first_at_or_past(event_seqs, 0, num_events, by_seq, as_of[request] + 1)
                bounds[request, 0] = by_seq
                if before_time:
                    by_time = _first_at_or_past(event_times_us, 0, num_events, by_time, times_us[request])
                    bounds[request, 0] = min(by_seq, by_time)
            else:
                tile = spans_us[1, bound - 1]
                boundary_us = (times_us[request] - spans_us[0, bound - 1]) // tile * tile
                by_time = _first_at_or_past(event_times_us, 0, num_events, by_time, boundary_us)
                bounds[request, bound] = by_time
    return bounds


@compiled
def bounds_in_key(
    event_offsets: Int32s, event_rows: Int32s, request_offsets: Int32s, request_rows: Int32s, bounds: Int32s
) -> None:
    """Turn each request's bounds, in place, from rows of the log into indexes of its key's event_rows.

    Requests without a key are left as they are. No tail is left past its head.

    Args:
        event_offsets: int32[K + 1], with event_rows from `group`.
        event_rows: int32[<= N].
        request_offsets: int32[K + 1], with request_rows from `group`.
        request_rows: int32[<= M].
        bounds: int32[M, B], from `bounds_in_log`.
    """
    num_bounds = bounds.shape[1]
    found = np.empty(num_bounds, dtype=np.int64)
    for key in range(event_offsets.shape[0] - 1):
        low, high = int(event_offsets[key]), int(event_offsets[key + 1])
        for bound in range(num_bounds):
            found[bound] = low
        for i in range(request_offsets[key], request_offsets[key + 1]):
            request = request_rows[i]
            for bound in range(num_bounds):
                row = int(bounds[request, bound])
                found[bound] = _first_at_or_past(event_rows, low, high, found[bound], row)
                bounds[request, bound] = min(found[bound], found[0])
