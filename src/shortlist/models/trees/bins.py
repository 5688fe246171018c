"""Features as bytes: each value becomes the number of a model's own thresholds that lie below it.

A row goes left at the k-th threshold of a feature exactly when its byte is at most k, so a split compares
bytes, 64 rows in a step, and no rounding can differ. Thresholds are looked up as in a tree of 16-way nodes.

F features, S splits, R rulers, C columns of bytes; a ruler is up to 254 sorted thresholds of one feature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import frozen
from shortlist.compiled import compiled
from shortlist.models.trees.lanes import LANES, THRESHOLDS, mark_missing, mark_zero, num_below
from shortlist.models.trees.text import Trees
from shortlist.models.trees.walk import ZERO

_LONGEST_RULER = 254  # bytes 0..254 are counts; 255 goes right everywhere
_RULER = THRESHOLDS * THRESHOLDS
_NATURAL, _LEFT, _RIGHT = 0, 1, 2


class Bins(NamedTuple):
    """The thresholds of a model, and the columns of bytes that its splits compare.

    Splits may send zero, or NaN, to a side that does not follow from their threshold: so a ruler has a column
    for each pair of sides that its splits want. The natural side is that of zero by the threshold.
    """

    feature: NDArray[np.int32]  # [R] a ruler's feature
    coarse: NDArray[np.float32]  # [R * 16] every 16th threshold
    fine: NDArray[np.float32]  # [R * 256] all thresholds, then infinity
    first_column: NDArray[np.int32]  # [R + 1] a ruler's columns follow one another
    zero_side: NDArray[np.uint8]  # [C] 0 natural, 1 left, 2 right
    missing_side: NDArray[np.uint8]  # [C]


def bins_of(trees: Trees) -> tuple[Bins, NDArray[np.int64], NDArray[np.int64]]:
    """Return the bins of a model, and where each numerical split finds its bytes.

    Returns:
        The bins; of each split the column int64 [S], and the greatest byte that goes left int64 [S]; both
        are 0 at categorical splits.
    """
    numerical = np.flatnonzero(trees.category_words[:, 1] <= trees.category_words[:, 0])
    by_feature = numerical[np.argsort(trees.feature[numerical], kind="stable")]
    starts = np.flatnonzero(np.diff(trees.feature[by_feature])) + 1
    column_S, greatest_S = np.zeros(len(trees.feature), np.int64), np.zeros(len(trees.feature), np.int64)
    features: list[int] = []
    rulers: list[NDArray[np.float32]] = []
    first_column = [0]
    sides: list[NDArray[np.int64]] = []
    for splits in np.split(by_feature, starts) if len(by_feature) else []:
        threshold = trees.threshold[splits]
        distinct, place = np.unique(threshold, return_inverse=True)
        ruler, greatest_S[splits] = np.divmod(place, _LONGEST_RULER)
        zero = _sides(trees.zero_left[splits], threshold >= 0)
        missing = _sides(trees.missing_left[splits], threshold >= 0)
        wanted, which = np.unique(np.stack([ruler, zero, missing], 1), axis=0, return_inverse=True)
        column_S[splits] = first_column[-1] + which.ravel()
        for number in range(0, len(distinct), _LONGEST_RULER):
            of_ruler = wanted[wanted[:, 0] == number // _LONGEST_RULER, 1:]
            features.append(int(trees.feature[splits[0]]))
            rulers.append(distinct[number : number + _LONGEST_RULER])
            first_column.append(first_column[-1] + len(of_ruler))
            sides.append(of_ruler)
    return _joined(features, rulers, first_column, sides), column_S, greatest_S


def _sides(goes_left: NDArray[np.bool_], zero_left: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the side of a feature's zeros, or NaN: natural when each follows from its threshold."""
    if np.array_equal(goes_left, zero_left):
        return np.full(len(goes_left), _NATURAL)
    return np.where(goes_left, _LEFT, _RIGHT)


def _joined(
    features: list[int],
    rulers: list[NDArray[np.float32]],
    first_column: list[int],
    sides: list[NDArray[np.int64]],
) -> Bins:
    fine = np.full((len(rulers), _RULER), np.inf, np.float32)
    for row, ruler in zip(fine, rulers, strict=True):
        row[: len(ruler)] = ruler
    side = np.concatenate([np.zeros((0, 2), np.int64), *sides])
    return Bins(
        feature=frozen(np.array(features, np.int32)),
        coarse=frozen(fine[:, THRESHOLDS - 1 :: THRESHOLDS].ravel()),
        fine=frozen(fine.ravel()),
        first_column=frozen(np.array(first_column, np.int32)),
        zero_side=frozen(side[:, 0].astype(np.uint8)),
        missing_side=frozen(side[:, 1].astype(np.uint8)),
    )


@compiled
def fill_bins(
    features: NDArray[np.float32],
    row_step: int,
    feature_step: int,
    first_row: int,
    num_rows: int,
    bins: Bins,
    columns: NDArray[np.uint8],
    column_step: int,
) -> None:
    """Write the bytes of some rows, column after column, `column_step` apart.

    Args:
        features: float32, flat; row r of feature f lies at `r * row_step + f * feature_step`.
        row_step: as above.
        feature_step: as above.
        first_row: first of the rows.
        num_rows: how many.
        bins: the model's.
        columns: flat, to write to.
        column_step: from one column to the next, a multiple of 64 and at least `num_rows`.
    """
    values = np.empty(column_step, np.float32)
    for ruler in range(len(bins.feature)):
        at = first_row * row_step + bins.feature[ruler] * feature_step
        for row in range(num_rows):
            values[row] = features[at + row * row_step]
        first, last = bins.first_column[ruler], bins.first_column[ruler + 1]
        counts = first * column_step
        for row in range(num_rows):
            value = values[row]
            value = np.float32(0.0) if np.isnan(value) | (abs(value) <= ZERO) else value
            block = num_below(bins.coarse, ruler * THRESHOLDS, value) * THRESHOLDS
            columns[counts + row] = block + num_below(bins.fine, ruler * _RULER + block, value)
        if last - first == 1 and bins.zero_side[first] == bins.missing_side[first] == _NATURAL:
            continue
        for column in range(last - 1, first - 1, -1):  # the first one last: the others begin as its copies
            out = column * column_step
            zero_byte = np.uint8(255 if bins.zero_side[column] == _RIGHT else 0)
            missing_byte = np.uint8(255 if bins.missing_side[column] == _RIGHT else 0)
            for row in range(0, num_rows, LANES):
                given = counts + row
                if bins.zero_side[column] != _NATURAL:
                    mark_zero(columns, out + row, given, values, row, zero_byte, ZERO)
                    given = out + row
                if bins.missing_side[column] != _NATURAL:
                    mark_missing(columns, out + row, given, values, row, missing_byte)
