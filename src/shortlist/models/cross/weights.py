"""The weights of a cross network: one body, and a head for each task.

N rows, F columns, S slots, E width of a vector, D = F * E, L layers, R rank, H hidden units, T tasks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.models.columns.slots import ColumnSlots
from shortlist.models.contract import FeatureColumn
from shortlist.models.errors import ModelFileError
from shortlist.models.files import frozen, read_array, write_array


@dataclass(frozen=True)
class Network:
    """What all heads share, and the heads.

    Args:
        slots: where an entry of a column lies.
        table: float32 [S + 1, E + T], a slot's vector, then what the slot adds to each task by itself;
            one spare row.
        down: float32 [L, R, D].
        up: float32 [L, D, R].
        bias: float32 [L, D].
        hidden: float32 [H, D].
        hidden_bias: float32 [H].
        cross_head: float32 [T, D].
        hidden_head: float32 [T, H].
        base: float32 [T], the log-odds before any column speaks.
    """

    slots: ColumnSlots
    table: NDArray[np.float32]
    down: NDArray[np.float32]
    up: NDArray[np.float32]
    bias: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    cross_head: NDArray[np.float32]
    hidden_head: NDArray[np.float32]
    base: NDArray[np.float32]

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "table", "down", "up", "bias", "hidden", "hidden_bias", "cross_head", "hidden_head", "base"
    )  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """Name the network by what it holds, so that two loaded copies know that they are the same."""
        columns = repr(self.slots.columns).encode()
        found = hashlib.sha256(columns + self.slots.keys.tobytes() + self.slots.num_keys.tobytes())
        for name in self.ARRAYS:
            found.update(getattr(self, name).tobytes())
        return found.hexdigest()

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of every task, float32 [N, T]."""
        return self.log_odds_at(self.slots.places(features))

    def log_odds_at(self, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds float32 [N, T] of rows given as places float32 [N, F] in their columns."""
        from shortlist.models.cross.kernel import forward  # compiled: heavy to import

        log_odds_NT = np.empty((len(places), len(self.base)), np.float32)
        forward(
            frozen(places),
            self.slots.starts,
            frozen(self.table),
            frozen(self.down),
            frozen(self.up),
            frozen(self.bias),
            frozen(self.hidden),
            frozen(self.hidden_bias),
            frozen(self.cross_head),
            frozen(self.hidden_head),
            frozen(self.base),
            log_odds_NT,
        )
        return log_odds_NT

    def save(self, folder: Path) -> None:
        """Write the keys of the slots and an array for each of the weights."""
        self.slots.save(folder)
        for name in self.ARRAYS:
            write_array(folder, name, getattr(self, name))

    @classmethod
    def load(cls, folder: Path, columns: tuple[FeatureColumn, ...]) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelFileError: when an array is missing, damaged, or does not fit the others.
        """
        slots = ColumnSlots.load(folder, columns)

        def read(name: str, *shape: int | None) -> NDArray[np.float32]:
            array: NDArray[np.float32] = read_array(folder, name, np.float32, shape)
            if not np.isfinite(array).all():
                raise ModelFileError(f"{folder / name}.npy: expected finite weights.")
            return array

        base = read("base", None)
        table = read("table", slots.num_slots + 1, None)
        num_tasks, num_columns = len(base), len(slots.columns)
        width = num_columns * (table.shape[1] - num_tasks)
        if num_tasks == 0 or width <= 0:
            raise ModelFileError(f"{folder}: expected a head or more, and vectors of some width.")
        down = read("down", None, None, width)
        num_layers, rank = down.shape[:2]
        hidden = read("hidden", None, width)
        return cls(
            slots,
            table,
            down,
            up=read("up", num_layers, width, rank),
            bias=read("bias", num_layers, width),
            hidden=hidden,
            hidden_bias=read("hidden_bias", len(hidden)),
            cross_head=read("cross_head", num_tasks, width),
            hidden_head=read("hidden_head", num_tasks, len(hidden)),
            base=base,
        )
