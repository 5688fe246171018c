"""Training of `TwoTowers`: what is learned from, when to stop, and what is kept.

G chunks of a batch, L history, C targets of a chunk, B = G * C targets, H heads, I items, D width, S slots of
the items' attributes, T of the users', X = (H + 1) * D, V held-out users.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.index.exact import ExactIndex
from shortlist.models.columns.attributes import AttributeSlots
from shortlist.models.contract import Progress
from shortlist.models.errors import require
from shortlist.models.retrieval import Attributes, Interactions, UserBatch
from shortlist.models.towers.chunks import Visits
from shortlist.models.towers.step import attention_logits, training_step
from shortlist.models.two_towers import FittedTwoTowers, TwoTowers

Params = dict[str, NDArray[np.float32]]

_MAX_CHUNKS = 128  # G
_MIN_STEPS = 50  # of a round
_MAX_HELD_OUT = 2000
_MAX_VALID_SCORES = 1 << 28  # as many are computed a round at most
_SCORES_AT_ONCE = 1 << 22
_CUTS = 2  # how often the learning rate falls
_CUT = 0.3
_PASSED_OVER = np.float32(-40.0)  # the logit of an item that is no history; its weight is below 1e-17


def fit_towers(
    model: TwoTowers, interactions: Interactions, seed: int, progress: Progress | None
) -> FittedTwoTowers:
    """Fit both towers; see `TwoTowers.fit`."""
    rng = np.random.default_rng(seed)
    data = TowerData(model, interactions, rng)
    best = params = initial_parameters(model, data, rng)
    if len(data.train) == 0:
        return data.fitted(params)
    step, start = training_step(model.history)
    batches = _Batches(data.train, model, rng)
    drawn_I = np.bincount(data.train.items, weights=data.train.ahead(model.horizon), minlength=data.num_items)
    log_share_I = np.log(np.maximum(drawn_I, 1e-3) / len(data.train)).astype(np.float32)
    id_dropout = model.id_dropout if data.items.num_slots else 0.0
    optimum, rate, cuts_left = -np.inf, model.learning_rate, _CUTS
    best_moments = moments = start(params)
    for done in range(model.max_rounds):
        for items, targets_GC, weights, users in batches.round():
            targets = targets_GC.reshape(-1)
            is_numbered = (rng.random(len(targets)) >= id_dropout).astype(np.float32)
            params, moments = step(
                params, moments, np.float32(rate), items, targets_GC, weights, users, is_numbered,
                data.item_weights(targets), data.user_weights(users), log_share_I[targets],
            )  # fmt: skip
        trained = {name: np.asarray(array) for name, array in params.items()}
        is_finite = all(np.isfinite(array).all() for array in trained.values())
        score = _score(data, trained) if is_finite else -np.inf
        if score > optimum:
            optimum, best, best_moments = score, params, moments
        elif cuts_left == 0:
            break
        else:
            rate, cuts_left = rate * _CUT, cuts_left - 1
            params, moments = best, best_moments
        if progress is not None:
            progress(done + 1, model.max_rounds)
    diverged = optimum == -np.inf
    require(
        not diverged, "TwoTowers.learning_rate", expected="a rate that does not diverge; lower it",
        received=model.learning_rate,
    )  # fmt: skip
    if progress is not None:
        progress(model.max_rounds, model.max_rounds)
    return data.fitted({name: np.asarray(array) for name, array in best.items()})


class TowerData:
    """What is learned from, what is held out, and how attributes are read."""

    def __init__(self, model: TwoTowers, interactions: Interactions, rng: np.random.Generator) -> None:
        self.model = model
        self.num_items = interactions.num_items
        self.visits = Visits.first(interactions)
        self.held_out = _held_out(self.visits, self.num_items, rng)
        self.train = self.visits.without_last(self.held_out)
        # As in training, what is held out may lie anywhere within the horizon of what is told.
        ends = self.visits.starts[self.held_out + 1]
        reach = np.minimum(ends - self.visits.starts[self.held_out], model.horizon)
        self.told_upto = ends - 1 - (rng.random(len(ends)) * reach).astype(np.int64)
        self.counts_I = np.bincount(self.train.items, minlength=self.num_items)
        self.items = AttributeSlots.fit(interactions.item_attributes)
        self.users = AttributeSlots.fit(interactions.user_attributes)
        self._item_rows = _rows(interactions.item_attributes, interactions.num_items)
        self._user_rows = _rows(interactions.user_attributes, interactions.num_users)

    def item_weights(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return what items weigh on the slots of their attributes, float32 [N, S]."""
        return self.items.weights(self._item_rows[items])

    def user_weights(self, users: NDArray[Any]) -> NDArray[np.float32]:
        """Return what users weigh on the slots of their attributes, float32 [N, T]."""
        return self.users.weights(self._user_rows[users])

    def user_batch(self, history: UserBatch, users: NDArray[np.int64]) -> UserBatch:
        """Add what is known of some users to their histories."""
        return replace(history, attributes=self._user_rows[users])

    def fitted(self, params: Params) -> FittedTwoTowers:
        """Make the model that serves from the parameters that were trained."""
        arrays = dict(params)
        # An item without a visit keeps nothing of what it was given at random: it is as new.
        is_visited_I = self.counts_I > 0
        numbered, slots = arrays.pop("numbered") * is_visited_I[:, None], arrays["item_slots"]
        vectors = [
            numbered[start : start + 4096] + self.items.weights(self._item_rows[start : start + 4096]) @ slots
            for start in range(0, self.num_items, 4096)
        ]
        query = arrays.pop("query")
        arrays["logits"] = np.where(
            is_visited_I[:, None], attention_logits(np, arrays["history"], query), _PASSED_OVER
        )
        index = ExactIndex(np.concatenate([numbered[:0], *vectors]))
        return FittedTwoTowers(index, self.items, self.users, arrays)


def _rows(attributes: Attributes | None, count: int) -> NDArray[np.float32]:
    return np.empty((count, 0), np.float32) if attributes is None else attributes.values


def initial_parameters(model: TwoTowers, data: TowerData, rng: np.random.Generator) -> Params:
    """Draw the parameters that training begins with."""
    width, heads = model.width, model.heads
    start = (heads + 1) * width

    def normal(*shape: int, scale: float) -> NDArray[np.float32]:
        return rng.normal(0.0, scale, shape).astype(np.float32)

    skip = np.tile(np.eye(width, dtype=np.float32), (heads + 1, 1)) / heads
    # The heads begin with half-lives from a few places to the whole history.
    half_lives = 2.0 * np.geomspace(1.0, max(model.history, 2), heads)
    return {
        "numbered": normal(data.num_items, width + 1, scale=0.1) * np.append(np.ones(width, np.float32), 0.0),
        "item_slots": np.zeros((data.items.num_slots, width + 1), np.float32),
        "history": normal(data.num_items, width, scale=0.1),
        "query": normal(width, heads, scale=0.1),
        "places": (1.0 - np.log(2.0) * np.arange(model.history) / half_lives[:, None]).astype(np.float32),
        "user_slots": np.zeros((data.users.num_slots, width), np.float32),
        "skip": skip,
        "hidden": normal(start, model.hidden, scale=start**-0.5),
        "hidden_bias": np.zeros(model.hidden, np.float32),
        "out": normal(model.hidden, width, scale=0.1 * model.hidden**-0.5),
        "bias": np.zeros(width, np.float32),
    }  # fmt: skip


class _Batches:
    """Batches of chunks, each chunk once before any again."""

    def __init__(self, visits: Visits, model: TwoTowers, rng: np.random.Generator) -> None:
        self._visits, self._model, self._rng = visits, model, rng
        self._chunks = visits.chunks()
        self._size = int(np.clip(2 ** (max(len(self._chunks), 1) // 8).bit_length(), 4, _MAX_CHUNKS))
        self._queue = np.empty(0, np.int64)

    def round(self) -> Any:
        for _ in range(max(_MIN_STEPS, len(self._chunks) // self._size)):
            while len(self._queue) < self._size:
                self._queue = np.concatenate([self._queue, self._rng.permutation(self._chunks)])
            chosen, self._queue = self._queue[: self._size], self._queue[self._size :]
            yield self._visits.batch(chosen, self._model.history, self._model.horizon, self._rng)


def _held_out(visits: Visits, num_items: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw whose last visit decides when to stop, int64 [V]."""
    candidates = np.flatnonzero(np.diff(visits.starts) >= 2)
    most = max(1, _MAX_VALID_SCORES // max(num_items, 1))
    count = min(_MAX_HELD_OUT, (len(candidates) + 1) // 2, most)
    return np.sort(rng.choice(candidates, count, replace=False))


def _score(data: TowerData, params: Params) -> float:
    """Return the NDCG, without a cut-off, of the held-out visits among all items not visited before."""
    fitted, visits, held_out = data.fitted(params), data.visits, data.held_out
    gains = 0.0
    at_once = max(1, _SCORES_AT_ONCE // data.num_items)
    for start in range(0, len(held_out), at_once):
        users = held_out[start : start + at_once]
        ends = visits.starts[users + 1] - 1
        told = visits.before(data.told_upto[start : start + at_once], data.model.history)
        scores_VI = fitted.scores(data.user_batch(told, users))
        for row, (user, end) in enumerate(zip(users, ends, strict=True)):
            target = scores_VI[row, visits.items[end]]
            scores_VI[row, visits.items[visits.starts[user] : end]] = -np.inf
            # Finite parameters may overflow here; not a number is not below the target, so it ranks last.
            gains += 1.0 / np.log2(1.0 + (~(scores_VI[row] < target)).sum())
    return gains / max(len(held_out), 1)
