"""The kernels of `Reader`: from sums, moments and attributes straight to columns of the matrix.

C candidates, K keys, W windows, L lanes, P columns of one kind, A attributes, F columns of the matrix.

Each repeats, number for number, what `fixed_point` and `matrix` do with arrays: all arithmetic is in 64-bit
floats, rounded to 32 bits when it is stored. A key is read once, then given to the candidates that have it.

    program  int64[P, 4]  WINDOW, OPERATOR, LANE and COLUMN of each windowed column
    values   int64[P, 3]  KIND, FIELD and VALUE_COLUMN of each column that is an attribute
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.compiled import compiled
from shortlist.features.fixed_point import SCALE
from shortlist.features.kernels.arrays import Int64s
from shortlist.features.kernels.segments import COUNT, START
from shortlist.features.kernels.tiles import ROW, TOTALS, boundaries, first_entry, segments_of
from shortlist.prefetch import prefetch

WINDOW, OPERATOR, LANE, COLUMN = 0, 1, 2, 3
COUNTS, SUM, MEAN, RATE = 0, 1, 2, 3
PRIOR, EXPECTED = 0, 1
KIND, FIELD, VALUE_COLUMN = 0, 1, 2
WHOLE, FLOAT, TRUTH, AGE = 0, 1, 2, 3
NULL_INT = np.iinfo(np.int64).min
US_PER_S = 1e6
MAX_FLOAT32 = float(np.finfo(np.float32).max)

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


@compiled
def fill_windowed(
    pool: Int64s,
    directory: Int64s,
    spans_us: Int64s,
    keys: Int64s,
    group: Int64s,
    now_us: int,
    program: Int64s,
    priors: Float64s,
    out: Float32s,
) -> None:
    """Fill the columns of a track in out float32[F, C].

    Args:
        pool: of the track's arena.
        directory: of the track's arena.
        spans_us: of the track's arena.
        keys: int64[K].
        group: int64[C], which of the keys each candidate has.
        now_us: the request's moment.
        program: int64[P, 4], by rising window.
        priors: float64[P, 2]: a rate's prior, and the positives that the prior expects.
        out: the matrix.
    """
    segments = segments_of(pool, directory, keys)
    boundaries_us = boundaries(spans_us, now_us)
    values = np.empty((program.shape[0], keys.shape[0]), dtype=np.float32)
    for k in range(keys.shape[0]):
        start, count, row = segments[k, START], segments[k, COUNT], segments[k, ROW]
        window, entry, end = -1, start, start + count
        for p in range(program.shape[0]):
            if count > 0 and window != program[p, WINDOW]:
                window = program[p, WINDOW]
                entry = first_entry(pool, start, count, boundaries_us[window])
            lane, operator = program[p, LANE], program[p, OPERATOR]
            counted = added = 0
            if entry < end:
                counted = directory[row, TOTALS + lane] - pool[entry, 1 + lane]
                if operator != COUNTS:
                    added = directory[row, TOTALS + lane + 1] - pool[entry, 2 + lane]
            if operator == COUNTS:
                value = float(counted)
            elif operator == SUM:
                value = float(added) / SCALE
            elif operator == MEAN:
                value = float(added) / (float(counted) * SCALE) if counted != 0 else np.nan
            else:
                value = (float(added) + priors[p, EXPECTED]) / (float(counted) + priors[p, PRIOR])
            values[p, k] = value
    for p in range(program.shape[0]):
        _spread(values[p], group, out[program[p, COLUMN]])


@compiled
def fill_recency(
    times_us: Int64s, keys: Int64s, group: Int64s, now_us: int, column: int, out: Float32s
) -> None:
    """Fill a column with the seconds since times_us int64[T] at keys int64[K]; for group, see above."""
    values = np.empty(keys.shape[0], dtype=np.float32)
    for key in keys:
        prefetch(times_us, key)
    for k in range(keys.shape[0]):
        since_us = times_us[keys[k]] if 0 <= keys[k] < times_us.shape[0] else NULL_INT
        values[k] = float(now_us - since_us) / US_PER_S if since_us != NULL_INT else np.nan
    _spread(values, group, out[column])


@compiled
def _spread(values: Float32s, group: Int64s, column: Float32s) -> None:
    """Give each candidate of column float32[C] the value float32[K] of its key."""
    for c in range(group.shape[0]):
        column[c] = values[group[c]]


@compiled
def fill_values(words: Int64s, floats: Float64s, values: Int64s, now_us: int, out: Float32s) -> None:
    """Fill the columns that are attributes as they are.

    Args:
        words: int64[A, C], or [A, 1] for all candidates.
        floats: the same bits as float64.
        values: int64[P, 3].
        now_us: the request's moment.
        out: float32[F, C], the matrix.
    """
    for p in range(values.shape[0]):
        kind, field, column = values[p, KIND], values[p, FIELD], values[p, VALUE_COLUMN]
        for c in range(out.shape[1]):
            place = c if words.shape[1] > 1 else 0
            word = words[field, place]
            if kind == FLOAT:
                value = floats[field, place]
                is_known = abs(value) <= MAX_FLOAT32  # not so for NaN
            elif kind == TRUTH:
                value = float(word)
                is_known = word >= 0
            elif kind == AGE:
                value = float(now_us - word) / US_PER_S
                is_known = word != NULL_INT
            else:
                value = float(word)
                is_known = word != NULL_INT
            out[column, c] = value if is_known else np.nan


@compiled
def fill_categories(table: Float64s, words: Int64s, field: int, column: int, out: Float32s) -> None:
    """Fill a column with the category numbers of texts, by their codes at `field` of words.

    Code c has its number at table[c + 1].
    """
    for c in range(out.shape[1]):
        place = c if words.shape[1] > 1 else 0
        out[column, c] = table[words[field, place] + 1]
