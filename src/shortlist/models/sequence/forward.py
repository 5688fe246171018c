"""The causal transformer at serving: one user's vector from a history, in NumPy alone.

Only the newest position is asked for, so the last block computes that one alone.

T items of a history, I items, D width, N blocks, H heads, K width of a head, F width of the feed-forward
layer, L places apart that are told from one another.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]
"""The learned arrays by name, as `weight_shapes` lists them."""

MOST_PLACE_BIASES = 1 << 26  # N x H x L x L, float32: 256 MiB that a model holds from its loading on

NORM_FLOOR = 1e-6  # keeps the norm of a zero vector finite


def weight_shapes(
    num_items: int, width: int, num_blocks: int, num_heads: int, history: int, feed_forward: int
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each learned array; those of the blocks are stacked.

    `items` [I, D] embeds what goes in and, tied, what comes out; `item_bias` [I] is an item's own log-odds;
    `distance_bias` [N, H, L] is what a head thinks of a key so many places before the query.
    """
    return {
        "items": (num_items, width),
        "item_bias": (num_items,),
        "last_norm": (width,),
        "attention_norm": (num_blocks, width),
        "query_key_value": (num_blocks, width, 3 * width),
        "attention_out": (num_blocks, width, width),
        "distance_bias": (num_blocks, num_heads, history),
        "feed_forward_norm": (num_blocks, width),
        "up": (num_blocks, width, feed_forward),
        "up_bias": (num_blocks, feed_forward),
        "down": (num_blocks, feed_forward, width),
    }


class SequenceForward:
    """The blocks of the transformer, ready to be asked.

    Args:
        weights: the arrays of `weight_shapes`; `item_bias` is not needed.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.num_blocks, self.num_heads, self.history = weights["distance_bias"].shape
        self.width = weights["items"].shape[1]
        self._bias_NHTT = _by_place(weights["distance_bias"])

    def user_vector(self, items_T: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the vector [D] of a history, oldest first; of no items, zeros.

        Args:
            items_T: items 0..I-1; of more than `history` the newest count.
        """
        items_T = items_T[-self.history :]
        if len(items_T) == 0:
            return np.zeros(self.width, np.float32)
        hidden_TD = self.weights["items"][items_T] * np.float32(math.sqrt(self.width))
        for block in range(self.num_blocks):
            hidden_TD = self._block(block, hidden_TD, only_last=block == self.num_blocks - 1)
        return _normed(hidden_TD[-1], self.weights["last_norm"])

    def _block(self, block: int, hidden_TD: NDArray[np.float32], only_last: bool) -> NDArray[np.float32]:
        """Add a block's attention and feed-forward layer to every position, or to the last one alone."""
        weights, num_keys = self.weights, len(hidden_TD)
        first = num_keys - 1 if only_last else 0
        normed_TD = _normed(hidden_TD, weights["attention_norm"][block])
        query_weight, key_value_weight = np.split(weights["query_key_value"][block], [self.width], axis=1)
        queries_HQK = self._heads(normed_TD[first:] @ query_weight)
        keys_TD, values_TD = np.split(normed_TD @ key_value_weight, 2, axis=1)
        head_width = self.width // self.num_heads
        attention_HQT = queries_HQK @ self._heads(keys_TD).transpose(0, 2, 1)
        attention_HQT *= np.float32(1.0 / math.sqrt(head_width))
        attention_HQT += self._bias_NHTT[block, :, first:num_keys, :num_keys]
        attention_HQT -= attention_HQT.max(axis=2, keepdims=True)
        np.exp(attention_HQT, out=attention_HQT)
        attention_HQT /= attention_HQT.sum(axis=2, keepdims=True)
        heads_HQK = attention_HQT @ self._heads(values_TD)
        attended_QD = heads_HQK.transpose(1, 0, 2).reshape(-1, self.width)
        hidden_QD: NDArray[np.float32] = hidden_TD[first:] + attended_QD @ weights["attention_out"][block]
        normed_QD = _normed(hidden_QD, weights["feed_forward_norm"][block])
        inner_QF = np.maximum(normed_QD @ weights["up"][block] + weights["up_bias"][block], 0)
        hidden_QD += inner_QF @ weights["down"][block]
        return hidden_QD

    def _heads(self, rows_QD: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows_QD.reshape(len(rows_QD), self.num_heads, -1).transpose(1, 0, 2)


def _normed(rows_QD: NDArray[np.float32], gain_D: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide by the root mean square (Zhang & Sennrich, 2019)."""
    mean_square_Q = np.mean(np.square(rows_QD), axis=-1, keepdims=True)
    normed_QD: NDArray[np.float32] = rows_QD / np.sqrt(mean_square_Q + np.float32(NORM_FLOOR)) * gain_D
    return normed_QD


def _by_place(distance_bias_NHL: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the bias of each query and key [N, H, L, L]; minus infinity where the key is still to come."""
    places_L = np.arange(distance_bias_NHL.shape[2])
    distance_LL = places_L[:, None] - places_L[None, :]
    bias_NHLL = distance_bias_NHL[:, :, np.maximum(distance_LL, 0)]
    return np.where(distance_LL >= 0, bias_NHLL, np.float32(-np.inf))
