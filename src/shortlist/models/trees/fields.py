"""The fields of LightGBM's text, `key=value` a line, and their numbers: those of all trees read at once.

T trees, N numbers of all trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shortlist.background import give_way
from shortlist.models.errors import ModelFileError

Fields = dict[str, str]


def check(holds: bool, problem: str) -> None:
    """Refuse the text, unless `holds`."""
    if not holds:
        raise ModelFileError(f"LightGBM model text: {problem}. Save the model again.")


def fields_of(block: str) -> Fields:
    """Return the fields of a block of lines; a line without a sign of equality is a key without a value."""
    return {key: value for key, _, value in (line.partition("=") for line in block.split("\n"))}


def numbers(
    trees: Sequence[Fields], key: str, dtype: type[np.generic], counts_T: NDArray[np.int64]
) -> NDArray[Any]:
    """Return the numbers of a field of all trees [N], those of the first tree first.

    Args:
        trees: T trees' fields.
        key: of the field.
        dtype: of the result; a type of whole numbers takes no others.
        counts_T: how many each tree must have.

    Raises:
        ModelFileError: when a tree lacks the field, or it is no list of so many numbers of that type.
    """
    give_way()
    try:
        texts = [fields[key] for fields in trees]
        read = _read_at_once(texts, counts_T)
        if read is None:
            read = _read_one_by_one(texts, key, counts_T)
    except (KeyError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"LightGBM model text: {key} is missing or no list of numbers.") from error
    if np.issubdtype(dtype, np.integer):
        least = 0 if np.issubdtype(dtype, np.unsignedinteger) else -(2.0**32)
        whole = (read >= least) & (read < 2.0**32) & (read == np.floor(read))
        check(bool(whole.all()), f"{key} must hold whole numbers")
    return read.astype(dtype)


def _read_at_once(texts: Sequence[str], counts_T: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Read lists of numbers as one list of JSON; None where they are none, or not of these lengths.

    JSON's grammar is close to that of the numbers that C prints, and its readers are several times as quick.
    """
    found = [text.count(" ") + 1 if text else 0 for text in texts]
    if not np.array_equal(found, counts_T):
        return None
    joined = " ".join(text for text in texts if text).replace(" ", ",")
    try:
        read = np.array(msgspec.json.decode(f"[{joined}]", type=list[float]), np.float64)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return read if len(read) == counts_T.sum() else None


def _read_one_by_one(texts: Sequence[str], key: str, counts_T: NDArray[np.int64]) -> NDArray[np.float64]:
    """Read lists of numbers whatever they look like: infinite, not a number, or with blanks around them."""
    words_T = [text.split() for text in texts]
    for words, count in zip(words_T, counts_T, strict=True):
        check(len(words) == count, f"{key} must hold {count} numbers, found {len(words)}")
    return np.array([float(word) for words in words_T for word in words], np.float64)
