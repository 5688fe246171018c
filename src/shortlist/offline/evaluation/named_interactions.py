"""Interactions from plain columns: ids of any kind become the numbers that models learn from, and back.

N interactions, U users, I items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.features.encoders import Encoding
from shortlist.models.retrieval import Attributes, Interactions
from shortlist.offline.errors import OfflineError


@dataclass(frozen=True)
class NamedInteractions:
    """Interactions, and whom and what their numbers mean.

    Attributes:
        interactions: in time order; user number 7 is `user_ids[7]`.
        user_ids: [U], ascending, each once.
        item_ids: [I], ascending, each once.
    """

    interactions: Interactions
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]

    @classmethod
    def from_events(
        cls, users: ArrayLike, items: ArrayLike, times_us: ArrayLike, weights: ArrayLike | None = None
    ) -> Self:
        """Number the users and items of a log of positives, and put it in order of time.

        Args:
            users: [N], who; whole numbers or texts.
            items: [N], what; whole numbers or texts.
            times_us: int [N], when, UTC microseconds; events of one moment keep their order. Where only
                the order is known, `range(N)` will do.
            weights: float [N], zero or more; None for 1 each.

        Raises:
            OfflineError: when lengths or types do not fit, or an id is None or NaN.
            ModelError: when a weight is negative.
        """
        times = np.asarray(times_us)
        if times.dtype.kind == "M":
            times = times.astype("datetime64[us]").astype(np.int64)
        ids = {"users": _as_said(users), "items": _as_said(items)}
        weights_N = np.ones(len(times), np.float32) if weights is None else np.asarray(weights, np.float32)
        shapes = {column.shape for column in (*ids.values(), times, weights_N)}
        if len(shapes) != 1 or times.ndim != 1 or len(times) == 0 or times.dtype.kind not in "iu":
            raise OfflineError(
                "from_events",
                expected="an event or more, in columns of one length, with times in whole microseconds",
                received=f"shapes {sorted(shapes)}, times of {times.dtype}",
                mend="Pass one user, item and time an event; seconds times 1_000_000 are microseconds.",
            )
        user_ids, users_N = _numbered("users", ids["users"])
        item_ids, items_N = _numbered("items", ids["items"])
        order = np.argsort(times, kind="stable")
        interactions = Interactions(
            users_N[order],
            items_N[order],
            times[order].astype(np.int64),
            weights_N[order],
            len(user_ids),
            len(item_ids),
        )
        return cls(interactions, user_ids, item_ids)

    def with_user_attributes(self, ids: ArrayLike, columns: Mapping[str, ArrayLike]) -> Self:
        """Say what is known of the users; see `with_item_attributes`."""
        attributes = _attributes(self.user_ids, "users", ids, columns)
        return replace(self, interactions=replace(self.interactions, user_attributes=attributes))

    def with_item_attributes(self, ids: ArrayLike, columns: Mapping[str, ArrayLike]) -> Self:
        """Say what is known of the items.

        Args:
            ids: [R], which items; those without an event are passed over, those not named know nothing.
            columns: by name, [R]: numbers, or texts, which become categories; None and NaN are unknown.

        Raises:
            OfflineError: when a column has another length, or an id comes twice, is unknown or of another
                kind.
        """
        attributes = _attributes(self.item_ids, "items", ids, columns)
        return replace(self, interactions=replace(self.interactions, item_attributes=attributes))


def _numbered(thing: str, ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    if ids.dtype.kind not in "iuUSO":
        raise OfflineError(
            thing,
            expected="ids that are whole numbers or texts",
            received=ids.dtype,
            mend="Convert them first: a number that was read as 7.0 should be 7.",
        )
    distinct, numbers = np.unique(_all_known(thing, ids), return_inverse=True)
    return distinct, numbers.astype(np.int32)


def _as_said(column: ArrayLike) -> NDArray[Any]:
    """Read a column without making the texts "None" and "nan" of what is unknown, as NumPy does of a list."""
    array = np.asarray(column)
    return array if array is column or array.dtype.kind != "U" else np.asarray(column, object)


def _is_unknown(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where a column holds None or NaN, bool [R]."""
    if array.dtype.kind == "O":
        return np.array(
            [value is None or (isinstance(value, Real) and math.isnan(value)) for value in array.ravel()],
            bool,
        )
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)


def _all_known(thing: str, ids: NDArray[Any]) -> NDArray[Any]:
    """Return ids as whole numbers or texts.

    Raises:
        OfflineError: when one is unknown: all rows without an id would become one user, or item.
    """
    num_unknown = int(_is_unknown(ids).sum())
    if num_unknown:
        raise OfflineError(
            thing,
            expected="an id in every row",
            received=f"None or NaN in {num_unknown:,} of {len(ids):,}",
            mend="Leave out the rows that do not say whom or what they are of.",
        )
    return ids.astype(np.str_) if ids.dtype.kind == "O" else ids


def _attributes(
    known_ids: NDArray[Any], thing: str, ids: ArrayLike, columns: Mapping[str, ArrayLike]
) -> Attributes:
    given = _all_known(f"attributes of {thing}", _as_said(ids))
    arrays = {name: _as_said(column) for name, column in columns.items()}
    odd = [name for name, array in arrays.items() if array.shape != given.shape]
    is_text = given.dtype.kind == "U"
    if odd or is_text != (known_ids.dtype.kind == "U") or len(np.unique(given)) < len(given):
        raise OfflineError(
            f"attributes of {thing}",
            expected=f"one row an id, each id once and of type {known_ids.dtype}",
            received=f"{len(given)} ids of type {given.dtype}, columns of another length: {odd}",
            mend="Pass columns that stand beside the ids, and ids of the kind that the events name.",
        )
    place = np.minimum(np.searchsorted(known_ids, given), len(known_ids) - 1)
    is_known = known_ids[place] == given
    values = np.full((len(known_ids), len(arrays)), np.nan, np.float32)
    categories = {}
    for number, (name, array) in enumerate(arrays.items()):
        if array.dtype.kind in "UO":
            is_said = ~_is_unknown(array)
            said = array[is_said]
            if not all(isinstance(value, (Real, np.bool_)) for value in said):
                texts, said = np.unique(said.astype(np.str_), return_inverse=True)
                categories[name] = texts.tolist()
            array = np.full(len(array), np.nan)
            array[is_said] = said
        values[place[is_known], number] = array[is_known]
    return Attributes(values, Encoding(list(arrays), categories))
