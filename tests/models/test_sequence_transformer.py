"""The transformer as a model: by the suite, resumable, stopped in time."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.conformance import RetrievalModelConformance
from models.planted import interactions, users
from shortlist.models import sequence_transformer
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.files import write_description
from shortlist.models.retrieval import UserBatch
from shortlist.models.sequence.forward import weight_shapes
from shortlist.models.sequence_transformer import FittedSequenceTransformer, SequenceTransformer

SMALL = SequenceTransformer(
    width=16, num_blocks=1, feed_forward=32, history=12, batch_items=600, epochs=12, held_out_users=100,
    learning_rate=0.01,
)  # fmt: skip


class TestSequenceTransformer(RetrievalModelConformance):
    model = SMALL

    def test_a_newer_history_than_it_can_read_counts(self, fitted) -> None:
        long = users(5, length=30)
        cut = UserBatch(long.history[:, : SMALL.history])
        np.testing.assert_array_equal(fitted.scores(long), fitted.scores(cut))

    def test_order_counts(self, fitted) -> None:
        history = users(5).history
        assert not np.allclose(fitted.scores(UserBatch(history)), fitted.scores(UserBatch(history[:, ::-1])))


class Cut(Exception):
    """The fit is cut off here."""


@pytest.mark.parametrize("at", [1, 40, 100])
def test_a_fit_that_was_cut_off_ends_in_the_same_bytes(at: int, tmp_path: Path) -> None:
    log, file = interactions(300, 200, 9000, seed=1), tmp_path / "fit.npz"

    def cut(done: int, total: int) -> None:
        if done >= at:
            raise Cut

    model = replace(SMALL, epochs=4)
    with pytest.raises(Cut):
        model.fit(log, seed=7, progress=cut, checkpoint=file)
    assert file.exists() == (at > 32)
    steps: list[int] = []
    resumed = model.fit(log, seed=7, progress=lambda done, total: steps.append(done), checkpoint=file)
    assert (steps[0] > 32) == (at > 32)
    assert not file.exists()
    whole = model.fit(log, seed=7)
    for name, array in whole.weights.items():
        assert array.tobytes() == resumed.weights[name].tobytes(), name


def test_a_checkpoint_of_another_fit_is_refused(tmp_path: Path) -> None:
    log, file = interactions(300, 200, 9000, seed=1), tmp_path / "fit.npz"

    def cut(done: int, total: int) -> None:
        if done >= 40:
            raise Cut

    with pytest.raises(Cut):
        SMALL.fit(log, progress=cut, checkpoint=file)
    weighted = replace(log, weights=log.weights * 2)
    for model, seed, data in [(SMALL, 1, log), (replace(SMALL, dropout=0.1), 0, log), (SMALL, 0, weighted)]:
        with pytest.raises(ModelError, match=r"received that of another.*delete this one"):
            model.fit(data, seed=seed, checkpoint=file)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"expected the checkpoint of a fit.*Delete it"):
        SMALL.fit(log, checkpoint=file)


def test_training_stops_when_it_no_longer_helps() -> None:
    """With nothing to be learned, the rounds after the best one are as many as `patience`."""
    rng = np.random.default_rng(99)
    noise = interactions(300, 200, 9000, seed=1)
    noise = replace(noise, items=rng.integers(0, 200, 9000).astype(np.int32))
    steps: list[int] = []
    model = replace(SMALL, epochs=100, patience=2)
    model.fit(noise, progress=lambda done, total: steps.append(done))
    assert len(steps) < 0.5 * steps[-1]


def test_without_the_libraries_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(sequence_transformer, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"no jax and no optax.*pip install 'shortlist\[deep\]'"):
        SMALL.fit(interactions(30, 20, 300, seed=1))


@pytest.mark.parametrize("size", [{"history": 0}, {"width": 0}, {"feed_forward": 0}, {"history": 100_000}])
def test_files_of_sizes_that_no_transformer_has_are_refused(size: dict[str, int], tmp_path: Path) -> None:
    """Of a history of 100,000 the file is small, and what a model makes of it 40 GB."""
    sizes = {
        "num_items": 3,
        "width": 2,
        "num_blocks": 1,
        "num_heads": 1,
        "history": 4,
        "feed_forward": 2,
        **size,
    }
    write_description(tmp_path, "sequence_transformer", **sizes)
    for name, shape in weight_shapes(**sizes).items():
        np.save(tmp_path / f"{name}.npy", np.zeros(shape, np.float32))
    with pytest.raises(ModelFileError, match="sizes of a transformer"):
        FittedSequenceTransformer.load(tmp_path)


@pytest.mark.parametrize(
    "setting",
    [
        {"width": 0},
        {"history": 5000},
        {"num_heads": 3},
        {"dropout": 1.0},
        {"learning_rate": math.nan},
        {"held_out_users": -1},
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        SequenceTransformer(**setting)
