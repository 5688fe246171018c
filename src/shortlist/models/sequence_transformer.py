"""A causal transformer over the history: what comes next after all that a user did, in its order.

SASRec (Kang & McAuley, "Self-attentive sequential recommendation", 2018) with what was found since to matter:
the softmax over the whole catalogue in place of one sampled negative (Klenitskiy & Vasilev, "Turning dross
into gold loss", 2023), and distances in place of positions (Zhai et al., HSTU, 2024).

N interactions, B users, L history, I items, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.index.contract import StoredIndex
from shortlist.index.exact import ExactIndex
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelError, ModelFileError, require
from shortlist.models.files import (
    read_array,
    read_description,
    read_index,
    write_array,
    write_description,
)
from shortlist.models.retrieval import FittedVectors, Interactions, RetrievalModel, UserBatch
from shortlist.models.sequence.forward import MOST_PLACE_BIASES, SequenceForward, Weights, weight_shapes

_LIBRARIES = ("jax", "optax")
_IN_INDEX = ("items", "item_bias")
_SIZES = ("width", "num_blocks", "num_heads", "history", "feed_forward")


@dataclass(frozen=True)
class SequenceTransformer(RetrievalModel):
    """Self-attention over a user's last items, trained to predict each next one among all items.

    A user's vector comes from the newest position, so what was done a second ago counts, and a user whom
    training never saw is served like any other. Training needs JAX and optax (`pip install shortlist[deep]`)
    and uses a GPU where JAX finds one; serving needs neither.

    How long to train is decided inside `fit`: the last item of some users is held out, ranked after each
    epoch, and the weights of the best epoch are kept. The other defaults were chosen on the validation items
    of MovieLens-1M, where steps of 1,600 items learn more from an epoch than steps of 6,400, and width 128
    more than width 64, in twice the time. Leave-one-out, they come to HR@10 .327 and NDCG@10 .185 there, in
    1,800 CPU seconds; left as they are, on MovieLens-100K to .197 and .091, in 160, where co-visitation comes
    to .175 and .091.

    Args:
        width: D of the item vectors.
        num_blocks: attention and feed-forward layers on top of one another.
        num_heads: heads of each attention; they divide `width`.
        feed_forward: inner width of a feed-forward layer.
        history: how many of a user's last items count.
        dropout: the share of values dropped in training.
        learning_rate: at its peak; it rises, then falls along half a cosine.
        weight_decay: pulls vectors and matrices towards 0.
        batch_items: items a step learns from; fewer where the data would otherwise make fewer than 32 steps.
        epochs: passes over the data at most.
        max_steps: steps at most, which bounds the time on any amount of data.
        patience: training stops after so many epochs without a better one; more than 500 steps count as
            several epochs.
        held_out_users: the last item of at most so many users decides which epoch was best.
        full_softmax_items: in a larger catalogue the loss is over sampled items, corrected for how often each
            is drawn.
        num_sampled: how many items are then sampled for a step.

    Raises:
        ModelError: when a number is out of range.
    """

    width: int = 128
    num_blocks: int = 2
    num_heads: int = 4
    feed_forward: int = 256
    history: int = 200
    dropout: float = 0.2
    learning_rate: float = 5e-3
    weight_decay: float = 0.01
    batch_items: int = 1600
    epochs: int = 20
    max_steps: int = 15_000
    patience: int = 10
    held_out_users: int = 1000
    full_softmax_items: int = 10_000
    num_sampled: int = 1024
    kind: ClassVar[str] = "sequence_transformer"

    def __post_init__(self) -> None:
        whole = (*_SIZES, "batch_items", "epochs", "max_steps", "patience", "num_sampled", "learning_rate")
        for name in whole:
            value = getattr(self, name)
            require(value > 0, f"SequenceTransformer.{name}", expected="above 0", received=value)
        for name in ("held_out_users", "full_softmax_items", "weight_decay"):
            value = getattr(self, name)
            require(value >= 0, f"SequenceTransformer.{name}", expected="at least 0", received=value)
        divides = self.width % self.num_heads == 0
        heads = self.num_heads
        require(divides, "SequenceTransformer.num_heads", expected="a divisor of width", received=heads)
        most = math.isqrt(MOST_PLACE_BIASES // (self.num_blocks * heads))
        length = self.history
        require(length <= most, "SequenceTransformer.history", expected=f"at most {most}", received=length)
        drop = self.dropout
        require(0 <= drop < 1, "SequenceTransformer.dropout", expected="0 to below 1", received=drop)

    @property
    def sizes(self) -> dict[str, int]:
        """The settings that `weight_shapes` needs, by name."""
        return {name: getattr(self, name) for name in _SIZES}

    def fit(
        self,
        interactions: Interactions,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
    ) -> FittedSequenceTransformer:
        """Learn to predict each user's next item; on one machine the same seed gives the same model.

        Args:
            interactions: the positives; a weight says how much the prediction of that item counts.
            seed: of first weights, order, drops, samples and held-out users.
            progress: told the steps done and the steps at most.
            checkpoint: a file (`.npz`) that is written after each epoch and read when it exists, so that a
                fit that was cut off goes on where it stood, and ends in the same model. It is removed when
                the fit is done.

        Raises:
            ModelError: when JAX or optax is not installed, or the checkpoint is damaged or of another fit.
        """
        missing = [name for name in _LIBRARIES if find_spec(name) is None]
        if missing:
            raise ModelError(
                f"SequenceTransformer.fit: expected jax and optax, received no {' and no '.join(missing)}. "
                "They are an extra: pip install 'shortlist[deep]'. A fitted model serves without them."
            )
        from shortlist.models.sequence.fit import learn  # heavy, and needed for training only

        return FittedSequenceTransformer.of(learn(self, interactions, seed, progress, checkpoint))


class FittedSequenceTransformer(FittedVectors):
    """The weights of the transformer.

    An item's vector is its embedding and its bias; a user's is the newest position's and a 1. Who has no
    history gets zeros and a 1: the biases alone, which follow popularity.

    Args:
        index: the item vectors, float32 [I, D + 1]; the last coordinate is the bias.
        weights: the other arrays of `weight_shapes`.
    """

    kind: ClassVar[str] = "sequence_transformer"

    def __init__(self, index: StoredIndex, weights: Weights) -> None:
        self.index, self.weights = index, weights
        self._forward = SequenceForward({**weights, "items": index.vectors[:, :-1]})

    @classmethod
    def of(cls, learned: Weights) -> Self:
        """Make the model of all the arrays of `weight_shapes`."""
        index = ExactIndex(np.column_stack([learned["items"], learned["item_bias"]]))
        return cls(index, {name: array for name, array in learned.items() if name not in _IN_INDEX})

    def user_vectors(self, users: UserBatch) -> NDArray[np.float32]:
        """Return the vectors, float32 [B, D + 1]; one user after another, each without padding."""
        vectors_BD = np.ones((len(users), self.index.width), np.float32)
        for vector_D, history_L in zip(vectors_BD, users.history, strict=True):
            known_L = history_L[(history_L >= 0) & (history_L < self.num_items)]
            vector_D[:-1] = self._forward.user_vector(known_L[::-1])
        return vectors_BD

    def save(self, folder: Path) -> None:
        """Write `model.json`, the index, and an array for each of the other weights."""
        num_blocks, num_heads, history = self.weights["distance_bias"].shape
        feed_forward = self.weights["up"].shape[2]
        sizes = dict(
            zip(_SIZES, (self.index.width - 1, num_blocks, num_heads, history, feed_forward), strict=True)
        )
        write_description(folder, self.kind, num_items=self.num_items, **sizes)
        self.index.save(folder)
        for name, array in self.weights.items():
            write_array(folder, name, array)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        names = ("num_items", *_SIZES)
        description = read_description(folder, cls.kind, **dict.fromkeys(names, int))
        sizes = {name: description[name] for name in names}
        sizes_ok = sizes["num_items"] >= 0 and all(sizes[name] > 0 for name in _SIZES)
        num_biases = sizes["num_blocks"] * sizes["num_heads"] * sizes["history"] ** 2
        if not sizes_ok or sizes["width"] % sizes["num_heads"] or num_biases > MOST_PLACE_BIASES:
            raise ModelFileError(f"{folder}: expected the sizes of a transformer, received {sizes}.")
        index = read_index(folder)
        if index.vectors.shape != (sizes["num_items"], sizes["width"] + 1):
            raise ModelFileError(f"{folder}: expected vectors of {sizes}, received {index.vectors.shape}.")
        weights = {
            name: read_array(folder, name, np.float32, shape)
            for name, shape in weight_shapes(**sizes).items()
            if name not in _IN_INDEX
        }
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise ModelFileError(f"{folder}: expected finite weights.")
        return cls(index, weights)
