"""One step of training `TwoTowers`: the towers once more, in JAX, and the loss they are moved by.

G chunks of a batch, L history, C targets of a chunk, B = G * C targets, H heads, D width, S slots of the
items' attributes, T of the users', X = (H + 1) * D, M hidden units.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from shortlist.models.errors import ModelError
from shortlist.models.towers.chunks import TARGETS


@lru_cache(maxsize=8)
def training_step(history: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return one step of training, compiled once for each shape, and the start of Adam's moments.

    A step takes the parameters, the moments, the learning rate, and a batch: items int32 [G, L + C], targets
    int32 [G, C], their weights float32 [G, C], users int32 [G], for each target whether its number is shown
    float32 [B], its attributes' weights float32 [B, S], the users' float32 [G, T], and the log of the
    target's share of all targets float32 [B]. It returns new parameters and moments.

    Raises:
        ModelError: when JAX is not installed.
    """
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
        params: Any, items_GS: Any, targets_GC: Any, weights_GC: Any, users_G: Any, is_numbered_B: Any,
        item_weights_BS: Any, user_weights_GT: Any, log_share_B: Any,
    ) -> Any:  # fmt: skip
        targets_B = targets_GC.reshape(-1)
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
        logits_GSH = attention_logits(jnp, vectors_GSD, params["query"])
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


def attention_logits(xp: Any, history: Any, query: Any) -> Any:
    """Return the attention on an item, [I, H]; bounded, so that no exponential overflows."""
    return 4.0 * xp.tanh(history @ query)
