"""Training of a cross network in JAX.

N rows, B rows of a step, F columns, S slots, E width of a vector, D = F * E, L layers, R rank,
H hidden units, T tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from shortlist.models.columns.slots import ColumnSlots
from shortlist.models.contract import Progress
from shortlist.models.cross.weights import Network
from shortlist.models.multi_task import TaskExamples

if TYPE_CHECKING:
    from shortlist.models.cross_network import CrossNetwork

_STEPS_A_PASS = 32  # at least
_WARM_STEPS = 50
_MEMORY = 0.99  # of the running mean of the weights
_IMAGINED = 0.5  # half a positive and half a negative keep the base rate inside 0 and 1
_SHUFFLED_ROWS = 1000  # a column's importance is measured on so many

_Weights = dict[str, Any]  # by the names of `Network.ARRAYS`


def fit_network(
    model: CrossNetwork,
    train: TaskExamples,
    valid: TaskExamples | None,
    seed: int,
    progress: Progress | None,
) -> tuple[Network, NDArray[np.float64]]:
    """Return the network of the best pass, and how important each column is to each task, float64 [T, F]."""
    random = np.random.default_rng(seed)
    slots = ColumnSlots.learnt(
        train.columns,
        train.features,
        num_knots=model.num_knots,
        min_category_rows=model.min_category_rows,
    )
    places_NF = slots.places(train.features)
    labels_NT, weights_NT = _targets(train, list(train.labels))
    batch_rows = max(1, min(model.batch_rows, len(places_NF) // _STEPS_A_PASS))
    steps_a_pass = len(places_NF) // batch_rows
    weights = _start(model, slots, labels_NT, weights_NT, random)
    starts_F = jnp.asarray(slots.starts[:-1], jnp.int32)
    state, mean = _optimizer(model).init(weights), weights
    best, best_loss, best_pass = weights, np.inf, 0
    for number in range(model.epochs):
        order_N = random.permutation(len(places_NF))
        for one in range(steps_a_pass):
            rows_B = order_N[one * batch_rows : (one + 1) * batch_rows]
            done = number * steps_a_pass + one
            key = jax.random.fold_in(jax.random.key(seed), done)
            batch = (places_NF[rows_B], labels_NT[rows_B], weights_NT[rows_B])
            weights, mean, state = _step(model, starts_F, weights, mean, state, batch, key, done)
            if progress is not None:
                progress(done, model.epochs * steps_a_pass)
        loss = -number if valid is None else _loss(_network(slots, mean), valid, list(train.labels))
        if loss < best_loss:
            best, best_loss, best_pass = mean, loss, number
        elif number - best_pass >= model.patience:
            break
    if progress is not None:
        progress(model.epochs * steps_a_pass, model.epochs * steps_a_pass)
    network = _network(slots, best)
    sampled = random.choice(len(places_NF), min(_SHUFFLED_ROWS, len(places_NF)), replace=False)
    return network, _importance(network, places_NF[sampled], random)


def _targets(examples: TaskExamples, tasks: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return labels and weights float32 [N, T]; no weight where a label is not known, 1 a row on average."""
    labels_NT = np.stack([examples.labels[task] for task in tasks], axis=1)
    known_NT = ~np.isnan(labels_NT)
    given_N = np.ones(len(labels_NT), np.float32) if examples.weights is None else examples.weights
    weights_NT = np.where(known_NT, given_N[:, None], np.float32(0.0))
    mean_T = weights_NT.mean(axis=0, dtype=np.float64)
    return np.where(known_NT, labels_NT, 0.0).astype(np.float32), (weights_NT / mean_T).astype(np.float32)


def _start(
    model: CrossNetwork,
    slots: ColumnSlots,
    labels_NT: NDArray[np.float32],
    weights_NT: NDArray[np.float32],
    random: np.random.Generator,
) -> _Weights:
    """Return first weights: a number's vector lies on a line through its knots, so that it starts smooth."""
    num_tasks, width = labels_NT.shape[1], len(slots.columns) * model.width
    table = random.normal(0.0, 0.1, (slots.num_slots + 1, model.width + num_tasks))
    for start, num_keys, categorical in zip(
        slots.starts[:-1], slots.num_keys, slots.is_categorical, strict=True
    ):
        if not categorical:
            line = np.linspace(-1.0, 1.0, num_keys)[:, None] if num_keys > 1 else np.zeros((1, 1))
            table[start] = 0.0
            table[start + 1 : start + 1 + num_keys] *= 0.2
            table[start + 1 : start + 1 + num_keys] += line * random.normal(0.0, 0.3, table.shape[1])
    table[:, model.width :] = 0.0
    positive_T = (weights_NT * labels_NT).sum(axis=0, dtype=np.float64) + _IMAGINED
    negative_T = (weights_NT * (1.0 - labels_NT)).sum(axis=0, dtype=np.float64) + _IMAGINED

    def scaled(*shape: int, fan_in: int, gain: float) -> NDArray[np.float64]:
        return random.normal(0.0, gain / np.sqrt(fan_in), shape)

    layers, rank, hidden = model.num_layers, model.rank, model.hidden
    first = {
        "table": table,
        "down": scaled(layers, rank, width, fan_in=width, gain=1.0),
        "up": scaled(layers, width, rank, fan_in=rank, gain=0.5),
        "bias": np.zeros((layers, width)),
        "hidden": scaled(hidden, width, fan_in=width, gain=1.4),
        "hidden_bias": np.zeros(hidden),
        "cross_head": scaled(num_tasks, width, fan_in=width, gain=0.1),
        "hidden_head": scaled(num_tasks, hidden, fan_in=hidden, gain=0.1),
        "base": np.log(positive_T / negative_T),
    }
    return {name: jnp.asarray(array, jnp.float32) for name, array in first.items()}


def _log_odds(model: CrossNetwork, starts_F: Any, weights: _Weights, places_BF: Any, key: Any) -> Any:
    whole_BF = jnp.floor(places_BF)
    slots_BF = whole_BF.astype(jnp.int32) + starts_F
    upper_BF1 = (places_BF - whole_BF)[..., None]
    table = weights["table"]
    entries = table[slots_BF] * (1.0 - upper_BF1) + table[slots_BF + 1] * upper_BF1
    first_BD = entries[..., : model.width].reshape(len(places_BF), -1)
    by_themselves_BT = entries[..., model.width :].sum(axis=1)
    crossed_BD = first_BD
    for down, up, bias in zip(weights["down"], weights["up"], weights["bias"], strict=True):
        crossed_BD = first_BD * ((crossed_BD @ down.T) @ up.T + bias) + crossed_BD
    units_BH = jax.nn.relu(first_BD @ weights["hidden"].T + weights["hidden_bias"])
    kept_BH = jax.random.bernoulli(key, 1.0 - model.dropout, units_BH.shape)
    units_BH = units_BH * kept_BH / (1.0 - model.dropout)
    crossed_BT, deep_BT = crossed_BD @ weights["cross_head"].T, units_BH @ weights["hidden_head"].T
    return weights["base"] + by_themselves_BT + crossed_BT + deep_BT


def _optimizer(model: CrossNetwork) -> Any:
    decays = {name: name != "base" for name in Network.ARRAYS}
    return optax.chain(
        optax.scale_by_adam(),
        optax.add_decayed_weights(model.weight_decay, mask=decays),
        optax.scale_by_learning_rate(optax.linear_schedule(0.0, model.learning_rate, _WARM_STEPS)),
    )


def _one_step(
    model: CrossNetwork,
    starts_F: Any,
    weights: _Weights,
    mean: _Weights,
    state: Any,
    batch: tuple[Any, Any, Any],
    key: Any,
    done: Any,
) -> tuple[_Weights, _Weights, Any]:
    """Return the weights, their running mean and Adam's state after a batch."""
    places_BF, labels_BT, weights_BT = batch

    def loss(weights: _Weights) -> Any:
        z_BT = _log_odds(model, starts_F, weights, places_BF, key)
        return (weights_BT * (jnp.logaddexp(0.0, z_BT) - labels_BT * z_BT)).mean(axis=0).sum()

    change, state = _optimizer(model).update(jax.grad(loss)(weights), state, weights)
    weights = optax.apply_updates(weights, change)
    memory = jnp.minimum(_MEMORY, (1.0 + done) / (10.0 + done))  # the first steps are soon forgotten
    mean = jax.tree.map(lambda old, new: old * memory + new * (1.0 - memory), mean, weights)
    return weights, mean, state


_step = jax.jit(_one_step, static_argnums=0)  # compiled once for a definition and a shape


def _network(slots: ColumnSlots, weights: _Weights) -> Network:
    return Network(slots, **{name: np.asarray(weights[name]) for name in Network.ARRAYS})


def _loss(network: Network, examples: TaskExamples, tasks: list[str]) -> float:
    """Return the log loss, the mean of the tasks that the examples speak of."""
    columns = [t for t, task in enumerate(tasks) if task in examples.labels]
    labels_NT, weights_NT = _targets(examples, [tasks[t] for t in columns])
    z_NT = network.log_odds(examples.features)[:, columns].astype(np.float64)
    return float((weights_NT * (np.logaddexp(0.0, z_NT) - labels_NT * z_NT)).mean())


def _importance(
    network: Network, places_NF: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float64]:
    """Return by how much the log-odds move when a column is shuffled, as shares float64 [T, F]."""
    as_they_are_NT = network.log_odds_at(places_NF).astype(np.float64)
    moves_FT = np.zeros((places_NF.shape[1], as_they_are_NT.shape[1]))
    for f in range(places_NF.shape[1]):
        shuffled_NF = places_NF.copy()
        shuffled_NF[:, f] = random.permutation(places_NF[:, f])
        moves_FT[f] = np.sqrt(((network.log_odds_at(shuffled_NF) - as_they_are_NT) ** 2).mean(axis=0))
    total_T = moves_FT.sum(axis=0)
    return np.asarray((moves_FT / np.where(total_T > 0, total_T, 1.0)).T, np.float64)
