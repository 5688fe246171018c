"""Who watches: countries, ages, tastes, habits.

Shapes: U users, T topics, D traits, L countries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.world.catalogue import NUM_TRAITS
from shortlist.world.config import WorldConfig
from shortlist.world.words import COUNTRIES

NUM_FAVOURITES = 3


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """All users, by number.

    Attributes:
        country: [U] int64, row of `words.COUNTRIES`.
        adult: [U] bool.
        interests: [U, T] float; about -0.4 for most topics, above 1 for the favourites.
        traits: [U, D] float, standard normal: the hidden taste that meets `Catalogue.traits`.
        activity: [U] float, share of all sessions; sums to 1.
        patience: [U] float around 1; the higher, the further down a slate the user looks.
    """

    country: NDArray[np.int64]
    adult: NDArray[np.bool_]
    interests: NDArray[np.float64]
    traits: NDArray[np.float64]
    activity: NDArray[np.float64]
    patience: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.adult)


def invite(config: WorldConfig) -> People:
    """Invent the users."""
    random = config.random("people")
    num_users, num_topics = config.num_users, config.num_topics
    shares_L = np.array([share for _, share, _ in COUNTRIES])
    country_U = random.choice(len(COUNTRIES), num_users, p=shares_L / shares_L.sum())

    fashions_LT = random.normal(0.0, 0.25, (len(COUNTRIES), num_topics))
    interests_UT = -0.4 + fashions_LT[country_U] + random.normal(0.0, 0.3, (num_users, num_topics))
    # Everyone loves a few topics; the first ones of the list are loved by more people.
    appeal_UT = random.gumbel(size=(num_users, num_topics)) - np.log(3.0 + np.arange(num_topics))
    favourites = np.argsort(-appeal_UT, axis=1)[:, : min(NUM_FAVOURITES, num_topics)]
    extra = random.uniform(1.0, 2.2, favourites.shape)
    np.put_along_axis(interests_UT, favourites, np.take_along_axis(interests_UT, favourites, 1) + extra, 1)

    activity_U = random.lognormal(0.0, 1.0, num_users)
    return People(
        country=country_U,
        adult=random.random(num_users) < 0.85,
        interests=interests_UT,
        traits=random.normal(size=(num_users, NUM_TRAITS)),
        activity=activity_U / activity_U.sum(),
        patience=random.lognormal(0.0, 0.25, num_users),
    )
