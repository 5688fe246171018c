"""Training of the causal transformer: AdamW over packed rows, judged on held-out items as it goes.

B rows, L places of a row, I items, S sampled items, D width, V held-out users.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from shortlist.models.contract import Progress
from shortlist.models.retrieval import Interactions
from shortlist.models.sequence.checkpoint import Checkpoint
from shortlist.models.sequence.forward import SequenceForward, Weights
from shortlist.models.sequence.network import Tree, first_weights, full_softmax, hidden, sampled_softmax
from shortlist.models.sequence.stream import Histories, Rows, num_rows

if TYPE_CHECKING:
    from shortlist.models.sequence_transformer import SequenceTransformer

_LEAST_STEPS_AN_EPOCH = 32  # little data are learned in smaller batches, not in fewer steps
_MOST_STEPS_A_ROUND = 500  # the model is judged and the checkpoint written once a round
_DECAYED = ("items", "query_key_value", "attention_out", "up", "down")  # neither biases nor norms
_WARM_UP = 0.03  # share of the steps in which the learning rate rises
_LAST_RATE = 0.02  # what the learning rate falls to, as a share of its peak
_AVERAGED_STEPS = 100  # the weights that are kept are a running mean over about so many steps
_SEEDS_APART = 7919  # between the shuffles of two epochs, so that the fits of neighbouring seeds differ
_SMOOTHING = 0.5  # items are sampled by the square root of their frequency
_SCORES_AT_ONCE = 10_000_000  # 40 MB


def learn(
    model: SequenceTransformer,
    interactions: Interactions,
    seed: int,
    progress: Progress | None,
    checkpoint: Path | None,
) -> Weights:
    """Return the weights that rank the held-out items best; see `SequenceTransformer.fit`."""
    histories = Histories(interactions, model.held_out_users, seed)
    counts_I: NDArray[np.float64] = np.bincount(
        interactions.items, interactions.weights.astype(np.float64), interactions.num_items
    ).astype(np.float64)
    weights = first_weights(seed, counts_I, **model.sizes)
    if histories.num_places < 2 or not interactions.weights.any():
        return weights
    plan = _Plan.of(model, histories)
    is_sampled = interactions.num_items > model.full_softmax_items
    sample = _Sample(counts_I, model.num_sampled if is_sampled else 0)
    advance = partial(
        _compiled_step, dropout=model.dropout, weight_decay=model.weight_decay, is_sampled=is_sampled
    )
    saved = Checkpoint(checkpoint, model, interactions, seed)
    state, done, best, rounds_since = saved.read(
        {"weights": weights, "mean": weights, "best": weights, "optimiser": _optimiser(0.0).init(weights)}
    )
    epoch, rows = -1, None
    while done < plan.num_steps and rounds_since < model.patience:
        for step in range(done, min(done + plan.round_steps, plan.num_steps)):
            if rows is None or step // plan.epoch_steps != epoch:
                epoch = step // plan.epoch_steps
                rows = histories.rows(plan.row_length, seed=seed + _SEEDS_APART * epoch)
            state["weights"], state["mean"], state["optimiser"] = advance(
                state["weights"],
                state["mean"],
                state["optimiser"],
                _batch(rows, step % plan.epoch_steps, plan.batch_rows),
                sample.draw(seed, step),
                sample.log_expected,
                jax.random.fold_in(jax.random.key(seed), step),
                model.learning_rate * _schedule(step, plan.num_steps),
                min(1 - 1 / _AVERAGED_STEPS, (1 + step) / (10 + step)),
            )
            done = step + 1
            if progress is not None:
                progress(done, plan.num_steps)
        quality = held_out_quality(jax.device_get(state["mean"]), histories)
        rounds_since += 1
        if quality >= best:  # equal too: with nobody held out, the last round is kept
            state["best"], best, rounds_since = state["mean"], quality, 0
        saved.write(state, done, best, rounds_since)
    if progress is not None:
        progress(plan.num_steps, plan.num_steps)
    saved.remove()
    return {name: np.asarray(array) for name, array in jax.device_get(state["best"]).items()}


@dataclass(frozen=True)
class _Plan:
    """How the data are cut into steps, epochs and rounds."""

    row_length: int
    batch_rows: int
    epoch_steps: int
    round_steps: int
    num_steps: int

    @classmethod
    def of(cls, model: SequenceTransformer, histories: Histories) -> Self:
        row_length = min(model.history, histories.longest)
        rows_an_epoch = num_rows(histories.num_places, row_length)
        most_rows = max(1, rows_an_epoch // _LEAST_STEPS_AN_EPOCH)
        batch_rows = min(max(1, model.batch_items // row_length), most_rows)
        epoch_steps = rows_an_epoch // batch_rows
        return cls(
            row_length=row_length,
            batch_rows=batch_rows,
            epoch_steps=epoch_steps,
            round_steps=min(epoch_steps, _MOST_STEPS_A_ROUND),
            num_steps=min(model.epochs * epoch_steps, model.max_steps),
        )


def held_out_quality(weights: Weights, histories: Histories) -> float:
    """Return the mean of 1 / log2(1 + rank) of the held-out items among all items but the user's own.

    This is NDCG without a cut-off: each user counts, so it is steadier than NDCG@10. Where no item
    could be held out it is 0.
    """
    if not len(histories.held_out_items):
        return 0.0
    forward = SequenceForward(weights)
    gains = []
    at_once = max(1, _SCORES_AT_ONCE // len(weights["items"]))
    for first in range(0, len(histories.held_out_items), at_once):
        targets_V = histories.held_out_items[first : first + at_once]
        near_V = histories.held_out_histories[first : first + at_once]
        vectors_VD = np.stack([forward.user_vector(items) for items in near_V])
        scores_VI = vectors_VD @ weights["items"].T + weights["item_bias"]
        of_target_V1 = np.take_along_axis(scores_VI, targets_V[:, None], axis=1)
        for scores_I, items in zip(scores_VI, near_V, strict=True):
            scores_I[items] = -np.inf
        gains.append(1 / np.log2(2 + (scores_VI > of_target_V1).sum(axis=1)))
    return float(np.concatenate(gains).mean())


class _Sample:
    """Draws items by the root of their frequency, at least once among so many that all are met."""

    def __init__(self, counts_I: NDArray[np.float64], num_sampled: int) -> None:
        chances_I = (counts_I + 1.0) ** _SMOOTHING
        chances_I /= chances_I.sum()
        self._num_sampled = num_sampled
        self._cumulative_I = np.cumsum(chances_I)
        self.log_expected = np.log(chances_I * max(1, num_sampled)).astype(np.float32)

    def draw(self, seed: int, step: int) -> NDArray[np.int32]:
        points_S = np.random.default_rng([seed, 3, step]).random(self._num_sampled)
        found_S = np.searchsorted(self._cumulative_I, points_S)
        return np.minimum(found_S, len(self._cumulative_I) - 1).astype(np.int32)


def _batch(rows: Rows, number: int, size: int) -> tuple[NDArray[Any], ...]:
    part = slice(number * size, (number + 1) * size)
    return rows.items[part], rows.targets[part], rows.weights[part], rows.segments[part]


def _schedule(step: int, num_steps: int) -> float:
    """Return the share of the peak learning rate: a straight rise, then half a cosine down."""
    rise = max(1.0, _WARM_UP * num_steps)
    if step < rise:
        return (step + 1) / rise
    fallen = (step - rise) / max(1.0, num_steps - rise)
    return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, fallen)))


def _optimiser(weight_decay: float) -> Any:
    """AdamW (Loshchilov & Hutter, 2019) up to the learning rate, on clipped gradients."""
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b2=0.98),
        optax.add_decayed_weights(weight_decay, lambda tree: {name: name in _DECAYED for name in tree}),
    )


def _step(
    weights: Tree, mean: Tree, optimiser: Any, batch: Any, sampled_S: Any, log_expected_I: Any, key: Any,
    rate: Any, keep: Any, *, dropout: float, weight_decay: float, is_sampled: bool,
) -> Any:  # fmt: skip
    items_BL, targets_BL, weights_BL, segments_BL = batch

    def loss(tree: Tree) -> Any:
        hidden_PD = hidden(tree, items_BL, segments_BL, dropout, key).reshape(-1, tree["items"].shape[1])
        output = hidden_PD, tree["items"], tree["item_bias"], targets_BL.ravel(), weights_BL.ravel()
        total = sampled_softmax(*output, sampled_S, log_expected_I) if is_sampled else full_softmax(*output)
        return total / jnp.maximum(weights_BL.sum(), 1e-6)

    slopes = jax.grad(loss)(weights)
    updates, optimiser = _optimiser(weight_decay).update(slopes, optimiser, weights)
    weights = jax.tree.map(lambda weight, update: weight - rate * update, weights, updates)
    mean = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, mean, weights)
    return weights, mean, optimiser


_compiled_step: Callable[..., Any] = jax.jit(_step, static_argnames=("dropout", "weight_decay", "is_sampled"))
