"""The kernels of `Reader`: from sums, moments and attributes straight to columns of the matrix.

C candidates, K keys, W windows, L lanes, P columns of one kind, A attributes, F columns of the matrix.

Each repeats, number for number, what `fixed_point` and `matrix` do with arrays: all arithmetic is in 64-bit
floats, rounded to 32 bits when it is stored. A single key stands for every candidate.

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
from shortlist.features.kernels.tiles import TOTALS, boundaries, first_entry, touch

WINDOW, OPERATOR, LANE, COLUMN = 0, 1, 2, 3
COUNTS, SUM, MEAN, RATE = 0, 1, 2, 3
PRIOR, EXPECTED = 0, 1
KIND, FIELD, VALUE_COLUMN = 0, 1, 2
WHOLE, FLOAT, TRUTH, AGE = 0, 1, 2, 3
MEMO = 256  # a power of two
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
    now_us: int,
    program: Int64s,
    priors: Float64s,
    out: Float32s,
) -> int:
    """Fill the columns of a track in out float32[F, C]; the number returned keeps `touch` alive.

    Args:
        pool: of the track's arena.
        directory: of the track's arena.
        spans_us: of the track's arena.
        keys: int64[C], or [1] for all candidates.
        now_us: the request's moment.
        program: int64[P, 4], by rising window.
        priors: float64[P, 2]: a rate's prior, and the positives that the prior expects.
        out: the matrix.
    """
    touched = touch(pool, directory, keys)
    boundaries_us = boundaries(spans_us, now_us)
    num_candidates, num_keys = out.shape[1], keys.shape[0]
    # Candidates often share a key, such as a topic: where in `keys` some key was met last.
    met = np.zeros(MEMO, dtype=np.int32)
    for c in range(num_keys):
        key = keys[c]
        earlier = met[key & (MEMO - 1)]
        if c > 0 and keys[earlier] == key:
            for p in range(program.shape[0]):
                out[program[p, COLUMN], c] = out[program[p, COLUMN], earlier]
            continue
        met[key & (MEMO - 1)] = c
        count = directory[key, COUNT] if 0 <= key < directory.shape[0] else 0
        window, entry, end = -1, 0, 0
        for p in range(program.shape[0]):
            if count > 0 and window != program[p, WINDOW]:
                window = program[p, WINDOW]
                start = directory[key, START]
                entry, end = first_entry(pool, start, count, boundaries_us[window]), start + count
            lane, operator = program[p, LANE], program[p, OPERATOR]
            counted = added = 0
            if entry < end:
                counted = directory[key, TOTALS + lane] - pool[entry, 1 + lane]
                if operator != COUNTS:
                    added = directory[key, TOTALS + lane + 1] - pool[entry, 2 + lane]
            if operator == COUNTS:
                value = float(counted)
            elif operator == SUM:
                value = float(added) / SCALE
            elif operator == MEAN:
                value = float(added) / (float(counted) * SCALE) if counted != 0 else np.nan
            else:
                value = (float(added) + priors[p, EXPECTED]) / (float(counted) + priors[p, PRIOR])
            column = program[p, COLUMN]
            if num_keys == 1:
                for candidate in range(num_candidates):
                    out[column, candidate] = value
            else:
                out[column, c] = value
    return touched


@compiled
def fill_recency(times_us: Int64s, keys: Int64s, now_us: int, column: int, out: Float32s) -> None:
    """Fill a column with the seconds since times_us int64[K] at keys int64[C], or [1] for all candidates."""
    for c in range(out.shape[1]):
        key = keys[c] if keys.shape[0] > 1 else keys[0]
        since_us = times_us[key] if 0 <= key < times_us.shape[0] else NULL_INT
        out[column, c] = float(now_us - since_us) / US_PER_S if since_us != NULL_INT else np.nan


@compiled
def fill_values(words: Int64s, floats: Float64s, values: Int64s, now_us: int, out: Float32s) -> None:
    """Fill the columns that are attributes as they are.

    Args:
        words: int64[A, C], from `EntityTable.words`, or [A, 1] for all candidates.
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
