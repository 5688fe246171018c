"""Two towers: one places a user by history and attributes, the other an item by number and attributes.

Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations" (RecSys 2019), with
the histories pooled by attention as in Zhou et al., "Deep interest network" (KDD 2018), though without the
candidate, so that items can be searched. An item that training never saw is placed by its attributes alone.

B users, L history, H heads, I items, J new items, D width, M hidden units, S slots of the items' attributes,
T of the users', X = (H + 1) * D what the user's tower starts from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.index.contract import StoredIndex
from shortlist.models.columns.attributes import AttributeSlots
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelFileError, require
from shortlist.models.files import (
    frozen,
    read_array,
    read_description,
    read_index,
    write_array,
    write_description,
)
from shortlist.models.retrieval import FittedVectors, Interactions, RetrievalModel, UserBatch

Arrays = Mapping[str, NDArray[np.float32]]

_ROWS_AT_ONCE = 4096  # the weights of so many items on all slots are held in memory


@dataclass(frozen=True)
class TwoTowers(RetrievalModel):
    """Vectors learned with JAX from what each user went on to: a softmax over the items of a batch.

    What an item's share of the batch adds is taken off again, so that scores are log-probabilities up to a
    constant of the user; of new items too: part of the time an item in training is shown by its attributes
    alone, which makes those say what the average item with such attributes is worth.

    When to stop is decided while fitting: the last item of half the users, 2,000 at most, is held out, and
    the round of training that ranks it best is kept.

    Args:
        width: D, of a vector without its bias.
        history: L, how many of a user's last items count.
        horizon: an item to be found is drawn among so many that follow a history, as in Pancha et al.,
            "PinnerFormer" (KDD 2022); 1 is the very next. Many candidates are asked for at once, so long is
            right: on later likes of MovieLens-1M, Recall@100 is .30 at 1,000 and .26 at 1.
        heads: H, how many times the history is pooled, each with its own attention.
        hidden: M, units of the user tower's hidden layer.
        id_dropout: how often an item in training is shown by its attributes alone, where it has any.
        learning_rate: of Adam, at first; it falls when the held-out items are ranked no better.
        max_rounds: how often the data is gone through at most; a round has 50 steps at least.

    Raises:
        ModelError: when a setting is out of range.
    """

    width: int = 64
    history: int = 50
    horizon: int = 1000
    heads: int = 4
    hidden: int = 128
    id_dropout: float = 0.1
    learning_rate: float = 2e-3
    max_rounds: int = 40
    kind: ClassVar[str] = "two_towers"

    def __post_init__(self) -> None:
        for name in ("width", "history", "horizon", "heads", "hidden", "learning_rate", "max_rounds"):
            value = getattr(self, name)
            require(value > 0, f"TwoTowers.{name}", expected="above 0", received=value)
        share = self.id_dropout
        require(0 <= share < 1, "TwoTowers.id_dropout", expected="0 to below 1", received=share)

    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedTwoTowers:
        """Learn from what each user did for the first time with an item; the same seed gives the same model.

        Raises:
            ModelError: when JAX is not installed.
        """
        from shortlist.models.towers.fit import fit_towers  # it trains with JAX, which serving has not

        return fit_towers(self, interactions, seed, progress)


class FittedTwoTowers(FittedVectors):
    """Both towers, and the vectors of the items they know.

    Args:
        index: the item vectors, float32 [I, D + 1]; the last coordinate is a bias.
        items: how an item's attributes are read.
        users: how a user's attributes are read.
        arrays: by name, float32; see `array_shapes`.
    """

    kind: ClassVar[str] = "two_towers"

    def __init__(
        self, index: StoredIndex, items: AttributeSlots, users: AttributeSlots, arrays: Arrays
    ) -> None:
        self.index = index
        self.items, self.users = items, users
        self.arrays = {name: frozen(array) for name, array in arrays.items()}

    def item_vectors(self, attributes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Place new items, float32 [J, D + 1], beside those of the index.

        Args:
            attributes: float32 [J, A], in the order of `items.encoding`; NaN is missing.
        """
        slots = self.arrays["item_slots"]
        vectors_JD = np.empty((len(attributes), slots.shape[1]), np.float32)
        for start in range(0, max(len(attributes), 1), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            vectors_JD[rows] = self.items.weights(attributes[rows]) @ slots
        return vectors_JD

    def user_vectors(self, users: UserBatch) -> NDArray[np.float32]:
        """Return the vector of each user, float32 [B, D + 1]; its last coordinate, for the bias, is 1.

        Without attributes a user is one of whom nothing is known.
        """
        arrays = self.arrays
        num_columns = self.users.encoding.num_columns
        rows = users.attributes
        if rows is None:
            rows = np.full((len(users), num_columns), np.nan, np.float32)
        known_BD = self.users.weights(rows) @ arrays["user_slots"]
        start_BX = np.concatenate([self._pooled(users.history), known_BD], axis=1)
        hidden_BM = np.maximum(start_BX @ arrays["hidden"] + arrays["hidden_bias"], 0.0)
        user_BD = start_BX @ arrays["skip"] + hidden_BM @ arrays["out"] + arrays["bias"]
        return np.concatenate([user_BD, np.ones((len(users), 1), np.float32)], axis=1)

    def _pooled(self, history_BL: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return each head's average of the history, float32 [B, H * D].

        An item weighs e to the power of its own logit and its place's; nothing weighs 1, so that a short
        history is pulled towards nothing.
        """
        arrays = self.arrays
        history_BL = history_BL[:, : arrays["places"].shape[1]]
        is_known_BL = (history_BL >= 0) & (history_BL < self.num_items)
        if not is_known_BL.any():
            return np.zeros((len(history_BL), arrays["hidden"].shape[0] - self.index.width + 1), np.float32)
        numbers_BL = np.where(is_known_BL, history_BL, 0)
        places_LH = arrays["places"][:, : history_BL.shape[1]].T
        weights_BLH = np.exp(arrays["logits"][numbers_BL] + places_LH) * is_known_BL[:, :, None]
        weights_BLH /= 1.0 + weights_BLH.sum(axis=1, keepdims=True)
        pooled_BHD = weights_BLH.transpose(0, 2, 1) @ arrays["history"][numbers_BL]
        return np.asarray(pooled_BHD.reshape(len(history_BL), -1), np.float32)

    def save(self, folder: Path) -> None:
        """Write `model.json`, the index, and an `.npy` for each array."""
        write_description(
            folder,
            self.kind,
            items=self.items.save(folder, "item"),
            users=self.users.save(folder, "user"),
            heads=len(self.arrays["places"]),
        )
        self.index.save(folder)
        for name, array in self.arrays.items():
            write_array(folder, name, array)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        description = read_description(folder, cls.kind, items=dict, users=dict, heads=int)
        index = read_index(folder)
        items = AttributeSlots.load(folder, "item", description["items"])
        users = AttributeSlots.load(folder, "user", description["users"])
        arrays: dict[str, NDArray[Any]] = {}
        hidden = read_array(folder, "hidden_bias", np.float32, (None,))
        shapes = array_shapes(
            index.num_items,
            index.width - 1,
            description["heads"],
            len(hidden),
            items.num_slots,
            users.num_slots,
        )
        for name, shape in shapes.items():
            arrays[name] = read_array(folder, name, np.float32, shape)
            if not np.isfinite(arrays[name]).all():
                raise ModelFileError(f"{folder / name}.npy: expected finite numbers.")
        return cls(index, items, users, arrays)


def array_shapes(
    num_items: int, width: int, heads: int, hidden: int, item_slots: int, user_slots: int
) -> dict[str, tuple[int | None, ...]]:
    """Return the arrays of a fitted model by name, and their shapes; None is the length of the history.

    `history` places items as history, `logits` and `places` are the attention on an item and on a place;
    `item_slots` and `user_slots` place attributes; the others are the layers of the user's tower.
    """
    start = (heads + 1) * width
    return {
        "history": (num_items, width),
        "logits": (num_items, heads),
        "places": (heads, None),
        "item_slots": (item_slots, width + 1),
        "user_slots": (user_slots, width),
        "skip": (start, width),
        "hidden": (start, hidden),
        "hidden_bias": (hidden,),
        "out": (hidden, width),
        "bias": (width,),
    }
