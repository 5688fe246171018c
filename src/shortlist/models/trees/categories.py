"""Categorical splits as bits: which rows of a block are in each category, and so in each set of categories.

F features, S splits, K features with categorical splits, Q categorical splits, M categories that any of them
sends left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import frozen
from shortlist.compiled import compiled
from shortlist.models.trees.lanes import WORDS
from shortlist.models.trees.text import Trees


class Categories(NamedTuple):
    """The categories that matter to a model, numbered 0..M-1, and those that each split sends left."""

    feature: NDArray[np.int32]  # [K]
    first_code: NDArray[np.int64]  # [K + 1] where each feature's codes begin in `number`
    number: NDArray[np.int32]  # [all codes] the category's number, -1 where no split sends it left
    first_member: NDArray[np.int64]  # [Q + 1] where each split's categories begin in `member`
    member: NDArray[np.int32]  # numbers of categories
    num_categories: int  # M


def categories_of(trees: Trees, splits_Q: NDArray[np.int64]) -> Categories:
    """Return what the categorical splits with these numbers need, in this order."""
    words_Q2 = trees.category_words[splits_Q]
    feature_K, place_Q = np.unique(trees.feature[splits_Q], return_inverse=True)
    num_codes_K = np.zeros(len(feature_K), np.int64)
    np.maximum.at(num_codes_K, place_Q, 32 * (words_Q2[:, 1] - words_Q2[:, 0]).astype(np.int64))
    first_code = np.append(0, np.cumsum(num_codes_K))
    number = np.full(first_code[-1], -1, np.int32)
    first_member = np.zeros(len(splits_Q) + 1, np.int64)
    offset_Q = first_code[place_Q] if len(splits_Q) else np.zeros(0, np.int64)
    num_members = _mark_members(words_Q2, trees.bitsets, offset_Q, number, first_member)
    is_used = number >= 0
    number[is_used] = np.arange(is_used.sum(), dtype=np.int32)
    member = np.empty(num_members, np.int32)
    _write_members(words_Q2, trees.bitsets, offset_Q, number, member)
    return Categories(
        feature=frozen(feature_K.astype(np.int32)),
        first_code=frozen(first_code),
        number=frozen(number),
        first_member=frozen(first_member),
        member=frozen(member),
        num_categories=int(is_used.sum()),
    )


@compiled
def _mark_members(
    words_Q2: NDArray[np.int32],
    bitsets: NDArray[np.uint32],
    offset_Q: NDArray[np.int64],
    number: NDArray[np.int32],
    first_member: NDArray[np.int64],
) -> int:
    """Set the numbers of all categories that go left anywhere to 0; return the number of members."""
    num_members = 0
    for split in range(len(words_Q2)):
        for code in range(32 * (words_Q2[split, 1] - words_Q2[split, 0])):
            if bitsets[words_Q2[split, 0] + (code >> 5)] >> np.uint32(code & 31) & np.uint32(1):
                number[offset_Q[split] + code] = 0
                num_members += 1
        first_member[split + 1] = num_members
    return num_members


@compiled
def _write_members(
    words_Q2: NDArray[np.int32],
    bitsets: NDArray[np.uint32],
    offset_Q: NDArray[np.int64],
    number: NDArray[np.int32],
    member: NDArray[np.int32],
) -> None:
    place = 0
    for split in range(len(words_Q2)):
        for code in range(32 * (words_Q2[split, 1] - words_Q2[split, 0])):
            if bitsets[words_Q2[split, 0] + (code >> 5)] >> np.uint32(code & 31) & np.uint32(1):
                member[place] = number[offset_Q[split] + code]
                place += 1


@compiled
def mark_rows(
    features: NDArray[np.float32],
    row_step: int,
    feature_step: int,
    first_row: int,
    num_rows: int,
    categories: Categories,
    rows_of: NDArray[np.uint64],
    clear: bool,
) -> None:
    """Set the bit of each row in its categories, or clear what an earlier call for the same rows set.

    A category is read as LightGBM reads it: truncated towards zero; below zero, or beyond the bitsets, or
    NaN, it is no category that goes left.

    Args:
        features: float32, flat; row r of feature f lies at `r * row_step + f * feature_step`.
        row_step: as above.
        feature_step: as above.
        first_row: first of the rows.
        num_rows: how many.
        categories: the model's.
        rows_of: [M * 8], the rows of each category, 64 a word, lowest first.
        clear: whether to clear.
    """
    for place in range(len(categories.feature)):
        at = first_row * row_step + categories.feature[place] * feature_step
        first = categories.first_code[place]
        num_codes = categories.first_code[place + 1] - first
        for row in range(num_rows):
            value = features[at + row * row_step]
            if -1.0 < value < num_codes:
                category = categories.number[first + np.int64(value)]
                if category >= 0:
                    word = category * WORDS + (row >> 6)
                    bit = np.uint64(1) << np.uint64(row & 63)
                    rows_of[word] = np.uint64(0) if clear else rows_of[word] | bit
