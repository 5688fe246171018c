"""The causal transformer in training: its first weights, its forward pass and its two losses, in JAX.

B rows, L places of a row, P = B * L places, I items, S sampled items, D width, N blocks, H heads, K width of
a head, F width of the feed-forward layer, C places at once.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from shortlist.models.sequence.forward import NORM_FLOOR, Weights, weight_shapes

Tree = dict[str, Any]  # the arrays of `weight_shapes`, on JAX's device

_FAR = -1e9  # a logit that softmax makes zero
_LOGITS_AT_ONCE = 4_000_000  # 16 MB; so many fit the caches and are never kept


def first_weights(seed: int, counts: np.ndarray[Any, Any], **sizes: int) -> Weights:
    """Draw weights that keep the size of what passes through; an item's bias is the log of its share.

    Args:
        seed: of the draw.
        counts: float64 [I], the weight of each item in training.
        sizes: as `weight_shapes` takes them, without `num_items`.
    """
    rng = np.random.default_rng([seed, 2])
    width, num_blocks = sizes["width"], sizes["num_blocks"]
    spread = {
        "items": 0.5 / math.sqrt(width),
        "query_key_value": 1.0 / math.sqrt(width),
        "attention_out": 1.0 / math.sqrt(2 * num_blocks * width),
        "up": 1.0 / math.sqrt(width),
        "down": 1.0 / math.sqrt(2 * num_blocks * sizes["feed_forward"]),
    }
    weights: Weights = {}
    for name, shape in weight_shapes(len(counts), **sizes).items():
        if name.endswith("norm"):
            weights[name] = np.ones(shape, np.float32)
        else:
            weights[name] = (rng.standard_normal(shape) * spread.get(name, 0.0)).astype(np.float32)
    log_counts_I = np.log(counts + 1.0)
    weights["item_bias"] = (log_counts_I - log_counts_I.mean()).astype(np.float32)
    return weights


def hidden(weights: Tree, items_BL: Any, segments_BL: Any, dropout: float, key: Any) -> Any:
    """Return what each place knows of the next item, [B, L, D]; a place sees its own segment's past alone.

    Args:
        weights: the arrays of `weight_shapes`.
        items_BL: int [B, L].
        segments_BL: int [B, L].
        dropout: the share of values dropped from the embeddings and from each layer's output.
        key: of the drops; None drops nothing.
    """
    num_blocks, num_heads, history = weights["distance_bias"].shape
    length, width = items_BL.shape[1], weights["items"].shape[1]
    keys = [None] * (1 + 2 * num_blocks) if key is None else jax.random.split(key, 1 + 2 * num_blocks)
    places_L = np.arange(length)
    distance_LL = places_L[:, None] - places_L[None, :]
    sees_BLL = (distance_LL >= 0)[None] & (segments_BL[:, :, None] == segments_BL[:, None, :])
    near_LL = np.clip(distance_LL, 0, history - 1)
    hidden_BLD = _dropped(weights["items"][items_BL] * math.sqrt(width), dropout, keys[0])
    for block in range(num_blocks):
        normed_BLD = _normed(hidden_BLD, weights["attention_norm"][block])
        parts = jnp.split(normed_BLD @ weights["query_key_value"][block], 3, axis=-1)
        queries, keys_, values = (
            part.reshape(-1, length, num_heads, width // num_heads).transpose(0, 2, 1, 3) for part in parts
        )
        attention = jnp.einsum("bhqk,bhtk->bhqt", queries, keys_) / math.sqrt(width // num_heads)
        attention = attention + weights["distance_bias"][block][:, near_LL]
        attention = jax.nn.softmax(jnp.where(sees_BLL[:, None], attention, _FAR), axis=-1)
        attended = jnp.einsum("bhqt,bhtk->bhqk", attention, values)
        attended_BLD = attended.transpose(0, 2, 1, 3).reshape(hidden_BLD.shape)
        attended_BLD = attended_BLD @ weights["attention_out"][block]
        hidden_BLD = hidden_BLD + _dropped(attended_BLD, dropout, keys[1 + 2 * block])
        normed_BLD = _normed(hidden_BLD, weights["feed_forward_norm"][block])
        inner_BLF = jax.nn.relu(normed_BLD @ weights["up"][block] + weights["up_bias"][block])
        hidden_BLD = hidden_BLD + _dropped(inner_BLF @ weights["down"][block], dropout, keys[2 + 2 * block])
    return _normed(hidden_BLD, weights["last_norm"])


def _normed(rows: Any, gain_D: Any) -> Any:
    return rows * jax.lax.rsqrt(jnp.mean(rows * rows, axis=-1, keepdims=True) + NORM_FLOOR) * gain_D


def _dropped(values: Any, dropout: float, key: Any) -> Any:
    if key is None or dropout == 0:
        return values
    return jnp.where(jax.random.bernoulli(key, 1 - dropout, values.shape), values / (1 - dropout), 0.0)


def _full_softmax(hidden_PD: Any, items_ID: Any, bias_I: Any, targets_P: Any, weights_P: Any) -> Any:
    """Return the summed loss over the whole catalogue, and its gradient, some places at a time.

    Working the gradient out at once spares both the memory of all logits and computing them twice.
    """
    num_places, num_items = len(hidden_PD), len(items_ID)
    num_chunks = -(-num_places * num_items // _LOGITS_AT_ONCE)
    missing = -num_places % num_chunks
    padded = [
        jnp.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)).reshape(num_chunks, -1, *array.shape[1:])
        for array in (hidden_PD, targets_P, weights_P)
    ]

    def chunk(sums: Any, part: Any) -> Any:
        hidden_CD, targets_C, weights_C = part
        logits_CI = hidden_CD @ items_ID.T + bias_I
        most_C1 = logits_CI.max(axis=1, keepdims=True)
        exp_CI = jnp.exp(logits_CI - most_C1)
        total_C1 = exp_CI.sum(axis=1, keepdims=True)
        is_target_CI = jnp.arange(num_items)[None, :] == targets_C[:, None]
        slope_CI = (exp_CI / total_C1 - is_target_CI) * weights_C[:, None]
        of_target_C = jnp.take_along_axis(logits_CI, targets_C[:, None], axis=1)[:, 0]
        loss = jnp.sum((jnp.log(total_C1[:, 0]) + most_C1[:, 0] - of_target_C) * weights_C)
        items_slope, bias_slope, loss_sum = sums
        sums = (items_slope + slope_CI.T @ hidden_CD, bias_slope + slope_CI.sum(axis=0), loss_sum + loss)
        return sums, slope_CI @ items_ID

    start = (jnp.zeros_like(items_ID), jnp.zeros_like(bias_I), 0.0)
    (items_slope, bias_slope, loss), hidden_slope = jax.lax.scan(chunk, start, tuple(padded))
    hidden_slope = hidden_slope.reshape(-1, hidden_PD.shape[1])[:num_places]
    return loss, (hidden_slope, items_slope, bias_slope)


def _loss_alone(*arguments: Any) -> Any:
    return _full_softmax(*arguments)[0]


def _scaled(slopes: Any, outer: Any) -> Any:
    return (*(slope * outer for slope in slopes), None, None)


full_softmax = jax.custom_vjp(_loss_alone)
full_softmax.defvjp(_full_softmax, _scaled)


def sampled_softmax(
    hidden_PD: Any,
    items_ID: Any,
    bias_I: Any,
    targets_P: Any,
    weights_P: Any,
    sampled_S: Any,
    log_expected_I: Any,
) -> Any:
    """Return the summed loss over the target and S sampled items, the same for all places.

    A sampled logit is lowered by the log of how often its item is expected in the sample, so that the sum of
    exponentials is, in expectation, that of the whole catalogue (Bengio & Senécal, 2008). The target is
    always there, and so is not corrected (Khrylchenko et al., "Correcting the logQ correction", 2025).

    Args:
        hidden_PD: float [P, D].
        items_ID: float [I, D].
        bias_I: float [I].
        targets_P: int [P].
        weights_P: float [P].
        sampled_S: int [S].
        log_expected_I: float [I], the log of S times the chance of drawing each item.
    """
    sampled_PS = hidden_PD @ items_ID[sampled_S].T + (bias_I - log_expected_I)[sampled_S]
    sampled_PS = jnp.where(sampled_S[None, :] == targets_P[:, None], _FAR, sampled_PS)
    target_P = jnp.sum(hidden_PD * items_ID[targets_P], axis=1) + bias_I[targets_P]
    total_P = jnp.logaddexp(jax.nn.logsumexp(sampled_PS, axis=1), target_P)
    return jnp.sum((total_P - target_P) * weights_P)
