"""Training of `TwoTowers`, with JAX.

G chunks of a batch, L history, C targets of a chunk, B = G * C targets, H heads, I items, D width, S slots of
the items' attributes, T of the users', X = (H + 1) * D, V held-out users.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.index.exact import ExactIndex
from shortlist.models.attribute_slots import AttributeSlots
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelError
from shortlist.models.retrieval import Attributes, Interactions, UserBatch
from shortlist.models.sequence_chunks import TARGETS, Visits
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
    data = _Data(model, interactions)
    best = params = _initial(model, data, rng)
    if len(data.visits) < 2:
        return data.fitted(params)
    step, start = _steps(model.history)
    held_out = _held_out(data.visits, interactions.num_items, rng)
    train = data.visits.without_last(held_out)
    log_share_I = np.log(
        np.maximum(np.bincount(train.items, minlength=interactions.num_items), 1) / len(train)
    )
    batches = _Batches(train, model.history, rng)
    id_dropout = model.id_dropout if data.items.num_slots else 0.0
    optimum, rate, cuts_left = -np.inf, model.learning_rate, _CUTS
    best_moments = moments = start(params)
    for done in range(model.max_rounds):
        for items, weights, users in batches.round():
            targets = items[:, model.history :].reshape(-1)
            is_numbered = (rng.random(len(targets)) >= id_dropout).astype(np.float32)
            params, moments = step(
                params, moments, np.float32(rate), items, weights, users, is_numbered,
                data.item_weights(targets), data.user_weights(users), log_share_I[targets].astype(np.float32),
            )  # fmt: skip
        score = _score(data, {name: np.asarray(array) for name, array in params.items()}, held_out)
        if score > optimum:
            optimum, best, best_moments = score, params, moments
        elif cuts_left == 0:
            break
        else:
            rate, cuts_left = rate * _CUT, cuts_left - 1
            params, moments = best, best_moments
        if progress is not None:
            progress(done + 1, model.max_rounds)
    if progress is not None:
        progress(model.max_rounds, model.max_rounds)
    return data.fitted({name: np.asarray(array) for name, array in best.items()})


class _Data:
    """What is learned from, and how attributes are read."""

    def __init__(self, model: TwoTowers, interactions: Interactions) -> None:
        self.model = model
        self.num_items = interactions.num_items
        self.visits = Visits.first(interactions)
        self.items = AttributeSlots.fit(interactions.item_attributes)
        self.users = AttributeSlots.fit(interactions.user_attributes)
        self._item_rows = _rows(interactions.item_attributes, interactions.num_items)
        self._user_rows = _rows(interactions.user_attributes, interactions.num_users)

    def item_weights(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        return self.items.weights(self._item_rows[items])

    def user_weights(self, users: NDArray[Any]) -> NDArray[np.float32]:
        return self.users.weights(self._user_rows[users])

    def user_batch(self, history: UserBatch, users: NDArray[np.int64]) -> UserBatch:
        return replace(history, attributes=self._user_rows[users])

    def fitted(self, params: Params) -> FittedTwoTowers:
        arrays = dict(params)
        # An item without a visit keeps nothing of what it was given at random: it is as new.
        is_visited_I = np.bincount(self.visits.items, minlength=self.num_items) > 0
        numbered, slots = arrays.pop("numbered") * is_visited_I[:, None], arrays["item_slots"]
        vectors = [
            numbered[start : start + 4096] + self.items.weights(self._item_rows[start : start + 4096]) @ slots
            for start in range(0, self.num_items, 4096)
        ]
        query = arrays.pop("query")
        arrays["logits"] = np.where(
            is_visited_I[:, None], _logits(np, arrays["history"], query), _PASSED_OVER
        )
        index = ExactIndex(np.concatenate([numbered[:0], *vectors]))
        return FittedTwoTowers(index, self.items, self.users, arrays)


def _rows(attributes: Attributes | None, count: int) -> NDArray[np.float32]:
    return np.empty((count, 0), np.float32) if attributes is None else attributes.values


def _initial(model: TwoTowers, data: _Data, rng: np.random.Generator) -> Params:
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


def _logits(xp: Any, history: Any, query: Any) -> Any:
    """Return the attention on an item, [I, H]; bounded, so that no exponential overflows."""
    return 4.0 * xp.tanh(history @ query)


class _Batches:
    """Batches of chunks, each chunk once before any again."""

    def __init__(self, visits: Visits, history: int, rng: np.random.Generator) -> None:
        self._visits, self._history, self._rng = visits, history, rng
        self._chunks = visits.chunks()
        self._size = int(np.clip(2 ** (max(len(self._chunks), 1) // 8).bit_length(), 4, _MAX_CHUNKS))
        self._queue = np.empty(0, np.int64)

    def round(self) -> Any:
        for _ in range(max(_MIN_STEPS, len(self._chunks) // self._size)):
            while len(self._queue) < self._size:
                self._queue = np.concatenate([self._queue, self._rng.permutation(self._chunks)])
            chosen, self._queue = self._queue[: self._size], self._queue[self._size :]
            yield self._visits.batch(chosen, self._history)


def _held_out(visits: Visits, num_items: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw whose last visit decides when to stop, int64 [V]."""
    candidates = np.flatnonzero(np.diff(visits.starts) >= 2)
    count = min(_MAX_HELD_OUT, (len(candidates) + 1) // 2, max(1, _MAX_VALID_SCORES // num_items))
    return np.sort(rng.choice(candidates, count, replace=False))


def _score(data: _Data, params: Params, held_out: NDArray[np.int64]) -> float:
    """Return the NDCG, without a cut-off, of the held-out visits among all items not visited before."""
    fitted, visits = data.fitted(params), data.visits
    gains = 0.0
    at_once = max(1, _SCORES_AT_ONCE // data.num_items)
    for start in range(0, len(held_out), at_once):
        users = held_out[start : start + at_once]
        ends = visits.starts[users + 1] - 1
        scores_VI = fitted.scores(data.user_batch(visits.before(ends, data.model.history), users))
        for row, (user, end) in enumerate(zip(users, ends, strict=True)):
            target = scores_VI[row, visits.items[end]]
            scores_VI[row, visits.items[visits.starts[user] : end]] = -np.inf
            # Not a number is not below the target either: what diverged ranks last.
            gains += 1.0 / np.log2(1.0 + (~(scores_VI[row] < target)).sum())
    return gains / max(len(held_out), 1)


@lru_cache(maxsize=8)
def _steps(history: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return one step of training, compiled once for each shape, and the start of Adam's moments."""
    try:
        import jax
        import jax.numpy as jnp
        import optax
    except ImportError as error:
        raise ModelError(
            'TwoTowers: expected JAX to train with, received none. Install it: pip install "shortlist[deep]".'
        ) from error
    adam = optax.scale_by_adam()
    users_of = chunk_users(history)

    def loss(
        params: Any, items_GS: Any, weights_GC: Any, users_G: Any, is_numbered_B: Any, item_weights_BS: Any,
        user_weights_GT: Any, log_share_B: Any,
    ) -> Any:  # fmt: skip
        targets_B = items_GS[:, history:].reshape(-1)
        weights_B = weights_GC.reshape(-1)
        numbered_BD = params["numbered"][jnp.maximum(targets_B, 0)] * is_numbered_B[:, None]
        item_BD = numbered_BD + item_weights_BS @ params["item_slots"]
        user_BD = users_of(params, items_GS, user_weights_GT)
        logits_BB = user_BD @ item_BD[:, :-1].T + item_BD[:, -1] - log_share_B
        owner_B = jnp.repeat(users_G, TARGETS)
        # A user's other items are no negatives, nor is the target where it stands elsewhere in the batch.
        is_other = (owner_B[:, None] != owner_B) & (targets_B[:, None] != targets_B) & (targets_B >= 0)
        own_B = jnp.diagonal(logits_BB)
        logits_BB = jnp.where(is_other | jnp.eye(len(targets_B), dtype=bool), logits_BB, -jnp.inf)
        losses_B = jax.nn.logsumexp(logits_BB, axis=1) - own_B
        return (weights_B * losses_B).sum() / jnp.maximum(weights_B.sum(), 1e-6)

    def step(params: Any, moments: Any, rate: Any, *batch: Any) -> Any:
        gradients = jax.grad(loss)(params, *batch)
        updates, moments = adam.update(gradients, moments, params)
        return jax.tree.map(lambda value, update: value - rate * update, params, updates), moments

    return jax.jit(step), adam.init


def chunk_users(history: int) -> Callable[..., Any]:
    """Return the user's tower for training: as it was before each target of some chunks.

    It takes the parameters, items int32 [G, L + C] as from `Visits.batch` and what is known of the chunks'
    users, float32 [G, T], and gives float32 [B, D]; `FittedTwoTowers.user_vectors` gives the same for one.
    """
    import jax.numpy as jnp

    # The place of the history that each target finds each item of its chunk at: [C, L + C].
    place_CS = history + np.arange(TARGETS)[:, None] - np.arange(history + TARGETS) - 1
    is_past_CS = (place_CS >= 0) & (place_CS < history)
    place_CS = np.where(is_past_CS, place_CS, 0)

    def users_of(params: Any, items_GS: Any, user_weights_GT: Any) -> Any:
        vectors_GSD = params["history"][jnp.maximum(items_GS, 0)]
        logits_GSH = _logits(jnp, vectors_GSD, params["query"])
        weights_GSH = jnp.exp(logits_GSH) * (items_GS >= 0)[:, :, None]
        places_HCS = jnp.exp(params["places"][:, place_CS]) * is_past_CS
        sums_GCH = 1.0 + jnp.einsum("hcs,gsh->gch", places_HCS, weights_GSH)
        pooled_GCHD = jnp.einsum("hcs,gsh,gsd->gchd", places_HCS, weights_GSH, vectors_GSD)
        pooled_GCHD /= sums_GCH[..., None]
        num_chunks = items_GS.shape[0]
        known_GD = user_weights_GT @ params["user_slots"]
        known_GCD = jnp.broadcast_to(known_GD[:, None], (num_chunks, TARGETS, known_GD.shape[1]))
        start = jnp.concatenate([pooled_GCHD.reshape(num_chunks, TARGETS, -1), known_GCD], axis=-1)
        start_BX = start.reshape(num_chunks * TARGETS, -1)
        hidden_BM = jnp.maximum(start_BX @ params["hidden"] + params["hidden_bias"], 0.0)
        return start_BX @ params["skip"] + hidden_BM @ params["out"] + params["bias"]

    return users_of
