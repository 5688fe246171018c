"""Slices of a catalogue's score: the same ranking judged for new users, new items, the tail, each attribute.

B cases, M items that should be found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics import Interval
from shortlist.models.retrieval import Attributes
from shortlist.offline.evaluation.bands import item_bands, user_bands, value_bands
from shortlist.offline.evaluation.cases import Cases
from shortlist.offline.evaluation.catalogue import CatalogueScore


@dataclass(frozen=True)
class SliceScore:
    """A metric on one slice.

    Attributes:
        name: of the slice.
        num_users: users with an item of the slice to find.
        num_relevant: items to find.
        value: the metric's mean over those users.
        interval: None where there is one user alone.
    """

    name: str
    num_users: int
    num_relevant: int
    value: float
    interval: Interval | None


def case_slices(cases: Cases) -> dict[str, NDArray[np.bool_]]:
    """Find which of the items that should be found are a new user's, are new, are of the tail, and so on.

    Users are new or heavy by the items they knew already (`cases.excluded`), items are new, popular or
    of the tail by `cases.item_counts`; attributes are those the cases carry.

    Returns:
        By the slice's name, bool [M]; slices overlap, and those without an item are left out.
    """
    relevant = cases.relevant
    found = {name: band[relevant.cases] for name, band in user_bands(cases.excluded.sizes).items()}
    found |= {name: band[relevant.items] for name, band in item_bands(cases.item_counts).items()}
    users_M = cases.users[relevant.cases]
    for thing, attributes, rows in (
        ("user", cases.user_attributes, users_M),
        ("item", cases.item_attributes, relevant.items),
    ):
        if attributes is not None:
            found |= _attribute_slices(thing, attributes, rows)
    return {name: band for name, band in found.items() if band.any()}


def by_slice(score: CatalogueScore, metric: str) -> tuple[SliceScore, ...]:
    """Judge each slice of the cases: only its items count as relevant, at the ranks that they have.

    The other items that should be found keep their places before and between them, as they would in a
    slate; so the recall of the tail is the share of it that a user would see.

    Raises:
        OfflineError: when there is no such metric.
    """
    scores = []
    for name, where in case_slices(score.cases).items():
        mean = score.mean(metric, where)
        interval = score.interval(metric, where) if mean.num_groups >= 2 else None
        scores.append(SliceScore(name, mean.num_groups, int(where.sum()), mean.value, interval))
    return tuple(scores)


def _attribute_slices(
    thing: str, attributes: Attributes, rows: NDArray[np.int32]
) -> dict[str, NDArray[np.bool_]]:
    found: dict[str, NDArray[np.bool_]] = {}
    for number, name in enumerate(attributes.encoding.names):
        texts = attributes.encoding.categories.get(name)
        title = name if name.startswith(f"{thing}.") else f"{thing}.{name}"
        found |= value_bands(title, attributes.values[rows, number], texts)
    return found
