"""Where a long fit stands, in one file that is replaced as a whole, so that a fit may be cut off anywhere."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import jax
import numpy as np

from shortlist.durable import sync
from shortlist.models.errors import ModelError
from shortlist.models.retrieval import Interactions

if TYPE_CHECKING:
    from shortlist.models.sequence_transformer import SequenceTransformer


class Checkpoint:
    """The state of one fit, known by its settings, its seed and its interactions.

    Args:
        path: the file, a `.npz`; None keeps nothing.
        model: the settings.
        interactions: what is learned from.
        seed: of the fit.
    """

    def __init__(
        self, path: Path | None, model: SequenceTransformer, interactions: Interactions, seed: int
    ) -> None:
        self._path = path
        self._of = "" if path is None else _fingerprint(model, interactions, seed)

    def read(self, start: dict[str, Any]) -> tuple[dict[str, Any], int, float, int]:
        """Return the state, the steps done, the best quality and the rounds since; of a new fit, `start`.

        Raises:
            ModelError: when the file is damaged, or of another fit.
        """
        if self._path is None or not self._path.exists():
            return dict(start), 0, -1.0, 0
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                told = json.loads(str(arrays["told"]))
                leaves = [arrays[f"leaf_{number}"] for number in range(len(arrays.files) - 1)]
            if told["of"] == self._of:
                state = jax.tree.unflatten(jax.tree.structure(start), leaves)
                return dict(state), told["step"], told["best"], told["rounds_since"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ModelError(
                f"{self._path}: expected the checkpoint of a fit: {error}. Delete it to start anew."
            ) from error
        raise ModelError(
            f"{self._path}: expected the checkpoint of this fit, received that of another: other settings, "
            "another seed or other interactions. Name another file, or delete this one to start anew."
        )

    def write(self, state: dict[str, Any], step: int, best: float, rounds_since: int) -> None:
        """Replace the file."""
        if self._path is None:
            return
        told = json.dumps({"of": self._of, "step": step, "best": best, "rounds_since": rounds_since})
        leaves: dict[str, Any] = {
            f"leaf_{number}": np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(state))
        }
        written = self._path.with_name(self._path.name + ".new")
        with written.open("wb") as file:
            np.savez(file, told=np.array(told), **leaves)
        sync(written)
        written.replace(self._path)
        sync(self._path.parent)

    def remove(self) -> None:
        """Delete the file: the fit is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _fingerprint(model: SequenceTransformer, interactions: Interactions, seed: int) -> str:
    told = {
        "settings": asdict(model),
        "seed": seed,
        "counts": [interactions.num_users, interactions.num_items],
    }
    digest = hashlib.sha256(json.dumps(told).encode())
    for array in (interactions.users, interactions.items, interactions.weights):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
