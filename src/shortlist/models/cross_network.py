"""A cross network: features multiply each other, layer by layer; one body, a head for each label.

Every column is a table of vectors, a category's own or, for a number, a blend of the two knots beside it; JAX
fits the network, a compiled kernel scores rows without it.

N rows, F columns, T tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.models.contract import FittedRanker, Progress, Shared
from shortlist.models.cross.weights import Network
from shortlist.models.errors import ModelError, ModelFileError, require
from shortlist.models.files import (
    columns_from_json,
    columns_to_json,
    frozen,
    read_array,
    read_description,
    write_array,
    write_description,
)
from shortlist.models.multi_task import MultiTaskRankingModel, TaskExamples


@dataclass(frozen=True)
class CrossNetwork(MultiTaskRankingModel):
    """DCN-v2 (Wang et al., "DCN V2", WWW 2021), low-rank, its cross and its deep part side by side.

    Numbers enter as in Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS 2022: piecewise linear between knots at quantiles. Served is the running mean of the weights.
    Training needs JAX (`pip install "shortlist[deep]"`), serving does not. The same seed gives the same
    model on a CPU.

    Passes are stopped by `valid`; without it all of them are made, and 5 are plenty for 100,000 rows. The
    other defaults were chosen on KuaiRand-Pure's 29-30 April and looked at on the simulated videos.

    Args:
        width: of a column's vector.
        num_layers: cross layers; each lets the products of columns have one factor more.
        rank: of a cross layer's matrix.
        hidden: units of the deep part.
        num_knots: at most about so many knots for a numeric column; more only where values tie.
        min_category_rows: a category with fewer rows shares its vector with unknown ones.
        epochs: at most so many passes over the rows; fewer when `valid` stops improving.
        patience: stop after so many passes without a better log loss on `valid`.
        batch_rows: rows of a step; fewer on small data, so that a pass has 32 steps.
        learning_rate: of Adam, reached after 50 steps.
        weight_decay: by which a step of learning rate 1 would shrink the weights.
        dropout: share of the deep part's units that a training row goes without.

    Raises:
        ModelError: when a setting is out of range.
    """

    width: int = 4
    num_layers: int = 2
    rank: int = 16
    hidden: int = 64
    num_knots: int = 6
    min_category_rows: int = 10
    epochs: int = 15
    patience: int = 2
    batch_rows: int = 1024
    learning_rate: float = 0.002
    weight_decay: float = 0.1
    dropout: float = 0.1
    kind: ClassVar[str] = "cross_network"

    def __post_init__(self) -> None:
        at_least_one = (
            "width", "num_layers", "rank", "hidden", "min_category_rows", "epochs", "patience", "batch_rows"
        )  # fmt: skip
        for name in at_least_one:
            value = getattr(self, name)
            require(value >= 1, f"CrossNetwork.{name}", expected="at least 1", received=value)
        require(self.num_knots >= 2, "CrossNetwork.num_knots", expected="2+", received=self.num_knots)
        require(
            0 < self.learning_rate < 1, "CrossNetwork.learning_rate", expected="above 0, below 1",
            received=self.learning_rate,
        )  # fmt: skip
        for name in ("weight_decay", "dropout"):
            value = getattr(self, name)
            require(0 <= value < 1, f"CrossNetwork.{name}", expected="0 or more, below 1", received=value)

    def fit_tasks(
        self,
        train: TaskExamples,
        valid: TaskExamples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, FittedRanker]:
        """Train one network for all tasks, each counted as much as another; keep the best pass by `valid`.

        When all labels of a task are equal, every row gets a probability near that label.

        Raises:
            ModelError: when JAX is not installed.
        """
        try:
            from shortlist.models.cross.fit import fit_network  # heavy, and needed for training only
        except ModuleNotFoundError as error:
            raise ModelError(
                f"CrossNetwork: expected JAX and optax to train with, received: {error}. "
                'They are an extra: pip install "shortlist[deep]". A fitted network serves without them.'
            ) from error

        network, importance_TF = fit_network(self, train, valid, seed, progress)
        return {task: FittedCrossNetwork(network, t, importance_TF[t]) for t, task in enumerate(train.labels)}


class FittedCrossNetwork(FittedRanker):
    """One head of a network.

    Args:
        network: the network with all of its heads.
        head: which of them this is.
        importance: float64 [F], by how much its log-odds move when a column is shuffled, as shares.
    """

    kind: ClassVar[str] = "cross_network"

    def __init__(self, network: Network, head: int, importance: NDArray[np.float64]) -> None:
        self.columns = network.slots.columns
        self.network, self.head = network, head
        self._importance: NDArray[np.float64] = frozen(importance)

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Run the network and read its head."""
        return self.log_odds_sharing(features, {})

    def log_odds_sharing(self, features: NDArray[np.float32], shared: Shared) -> NDArray[np.float64]:
        """Run the network unless another of its heads has, and read its head."""
        name = self.network.digest
        if name not in shared:
            shared[name] = self.network.log_odds(features)
        return shared[name][:, self.head].astype(np.float64)

    def importance(self) -> dict[str, float]:
        """Return each column's share of how far shuffling it moves the log-odds."""
        return {
            column.name: float(share) for column, share in zip(self.columns, self._importance, strict=True)
        }

    def save(self, folder: Path) -> None:
        """Write `model.json` and the arrays; a folder stands alone, so each head brings the whole network."""
        network = self.network
        write_description(folder, self.kind, columns=columns_to_json(self.columns), head=self.head)
        network.save(folder)
        write_array(folder, "importance", self._importance)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        description = read_description(folder, cls.kind, columns=list, head=int)
        columns = columns_from_json(folder, description["columns"])
        network = Network.load(folder, columns)
        importance = read_array(folder, "importance", np.float64, (len(columns),))
        if not (0 <= description["head"] < len(network.base) and np.isfinite(importance).all()):
            raise ModelFileError(f"{folder}: expected a head 0..{len(network.base) - 1} and finite shares.")
        return cls(network, description["head"], importance)
