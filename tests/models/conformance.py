"""What every model must hold to. A model's tests inherit a suite and name the model, in three lines:

class TestLogistic(RankingModelConformance):
    model = Logistic()
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from models.planted import examples, interactions, users
from shortlist.index.allowed import Allowed
from shortlist.models.contract import FittedRanker, RankingModel
from shortlist.models.discovery import fitted_class
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.retrieval import FittedRetrieval, RetrievalModel, UserBatch

TRAINING_LIBRARIES = ("scipy", "lightgbm", "sklearn", "jax", "optax", "torch")
ALLOWED_FILES = {".faiss", ".json", ".npy", ".npz", ".onnx", ".txt", ".safetensors"}


class _Files:
    """What holds for the files of any fitted model; `saved` is the folder, `fitted` what was saved."""

    def test_no_pickle_in_the_folder(self, saved: Path) -> None:
        for path in files(saved):
            assert path.suffix in ALLOWED_FILES
            if path.suffix == ".npy":
                np.load(path, allow_pickle=False)

    def test_saving_again_gives_the_same_bytes(self, fitted, saved: Path, tmp_path: Path) -> None:
        type(fitted).load(saved).save(tmp_path)
        before = {path.relative_to(saved): path.read_bytes() for path in files(saved)}
        assert {path.relative_to(tmp_path): path.read_bytes() for path in files(tmp_path)} == before

    def test_its_kind_leads_to_its_class(self, fitted) -> None:
        assert fitted.kind == self.model.kind == type(self.model).__module__.rpartition(".")[2]
        assert fitted_class(fitted.kind) is type(fitted)

    def test_an_empty_folder_is_refused(self, fitted, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError):
            type(fitted).load(tmp_path)

    def test_a_model_of_another_kind_is_refused(self, fitted, saved: Path, tmp_path: Path) -> None:
        description = json.loads((saved / "model.json").read_text())
        for wrong in ({**description, "kind": "stranger"}, {**description, "format": 999}, {}, []):
            copied = copy(saved, tmp_path)
            (copied / "model.json").write_text(json.dumps(wrong))
            with pytest.raises(ModelFileError):
                type(fitted).load(copied)

    def test_a_missing_or_cut_file_is_refused(self, fitted, saved: Path, tmp_path: Path) -> None:
        for name in [path.relative_to(saved) for path in files(saved)]:
            copied = copy(saved, tmp_path)
            whole = (copied / name).read_bytes()
            for kept in (0, len(whole) // 3, len(whole) // 2):
                (copied / name).write_bytes(whole[:kept])
                with pytest.raises(ModelFileError):
                    type(fitted).load(copied)
            (copied / name).unlink()
            with pytest.raises(ModelFileError):
                type(fitted).load(copied)

    def test_the_definition_is_frozen_and_plain(self) -> None:
        assert_frozen_and_plain(self.model)


class RankingModelConformance(_Files):
    """For a `RankingModel`. Set `model` to a definition with settings that suit 6,000 rows."""

    model: RankingModel
    learns = True  # False for a model that was fitted elsewhere

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls) -> FittedRanker:
        return cls.model.fit(examples(6000, seed=1), examples(2000, seed=2), seed=7)

    @pytest.fixture(scope="class")
    @classmethod
    def saved(cls, fitted: FittedRanker, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("model")
        fitted.save(folder)
        return folder

    def test_the_same_seed_gives_the_same_bits(self, fitted: FittedRanker) -> None:
        again = self.model.fit(examples(6000, seed=1), examples(2000, seed=2), seed=7)
        query = examples(500, seed=3).features
        assert np.array_equal(fitted.predict(query), again.predict(query))

    def test_loading_gives_the_same_bits(self, fitted: FittedRanker, saved: Path) -> None:
        query = examples(500, seed=3).features
        loaded = type(fitted).load(saved)
        assert loaded.columns == fitted.columns
        assert loaded.importance() == fitted.importance()
        assert np.array_equal(fitted.predict(query), loaded.predict(query))

    def test_it_beats_the_base_rate(self, fitted: FittedRanker) -> None:
        test = examples(4000, seed=4)
        base_rate = np.full(4000, examples(6000, seed=1).labels.mean())
        assert log_loss(test.labels, fitted.predict(test.features)) < 0.9 * log_loss(test.labels, base_rate)

    def test_importance_finds_the_signal(self, fitted: FittedRanker) -> None:
        shares = fitted.importance()
        assert list(shares) == [column.name for column in fitted.columns]
        assert sum(shares.values()) == pytest.approx(1.0)
        assert min(shares, key=shares.__getitem__) == "noise"

    @pytest.mark.parametrize("width", [0, 3, 5])
    def test_a_wrong_width_is_refused(self, fitted: FittedRanker, width: int) -> None:
        with pytest.raises(ModelError, match=r"rate, count, topic, noise"):
            fitted.predict(np.zeros((2, width), np.float32))
        with pytest.raises(ModelError):
            fitted.predict(np.zeros(4, np.float32))

    def test_input_is_not_changed(self, fitted: FittedRanker) -> None:
        query = examples(100, seed=3).features
        before = query.copy()
        fitted.predict(query)
        assert query.tobytes() == before.tobytes()

    def test_odd_rows_give_probabilities(self, fitted: FittedRanker) -> None:
        odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 0.5, 1e30, -1e30, 1e-38, 12.0]
        rows = np.array([[value] * 4 for value in odd], np.float32)
        probabilities = fitted.predict(rows)
        assert probabilities.shape == (len(odd),)
        assert probabilities.dtype == np.float64
        assert ((probabilities > 0) & (probabilities < 1)).all()

    def test_an_unknown_category_is_a_missing_one(self, fitted: FittedRanker) -> None:
        known = examples(1, seed=5).features
        rows = np.repeat(known, 3, axis=0)
        rows[:, 2] = [np.nan, 4000.0, -3.0]
        assert len(set(fitted.predict(rows))) == 1

    def test_a_row_does_not_depend_on_its_company(self, fitted: FittedRanker) -> None:
        query = examples(301, seed=6).features
        together = fitted.predict(query)
        alone = np.concatenate([fitted.predict(query[row : row + 1]) for row in range(len(query))])
        assert np.array_equal(together, alone)
        assert np.array_equal(together[::-1], fitted.predict(query[::-1]))
        assert np.array_equal(together, fitted.predict(np.asfortranarray(query)))
        assert fitted.predict(query[:0]).shape == (0,)

    @pytest.mark.parametrize("label", [0.0, 1.0])
    def test_constant_labels_give_a_constant_answer(self, label: float) -> None:
        if not self.learns:
            pytest.skip("fitted elsewhere")
        train = replace(examples(300, seed=1), labels=np.full(300, label, np.float32))
        probabilities = self.model.fit(train, train).predict(train.features)
        assert (np.abs(probabilities - label) < 0.05).all()
        assert ((probabilities > 0) & (probabilities < 1)).all()

    def test_a_column_of_nothing_is_harmless(self) -> None:
        if not self.learns:
            pytest.skip("fitted elsewhere")
        train = examples(600, seed=1)
        train.features[:, 1] = np.nan
        train.features[:, 3] = 5.0
        fitted = self.model.fit(train, None)
        assert fitted.importance()["count"] == pytest.approx(0.0, abs=1e-9)
        assert np.isfinite(fitted.predict(examples(50, seed=2).features)).all()

    def test_weights_count(self) -> None:
        if not self.learns:
            pytest.skip("fitted elsewhere")
        train = examples(3000, seed=1)
        heavy = replace(train, weights=np.where(train.labels > 0, 4.0, 1.0).astype(np.float32))
        light, tilted = (self.model.fit(data, None).predict(train.features).mean() for data in (train, heavy))
        assert tilted > light + 0.1

    def test_progress_ends_at_its_total(self) -> None:
        seen: list[tuple[int, int]] = []
        self.model.fit(examples(600, seed=1), None, progress=lambda done, total: seen.append((done, total)))
        assert seen
        assert seen == sorted(seen)
        assert all(0 <= done <= total for done, total in seen)
        assert seen[-1][0] == seen[-1][1]

    def test_it_serves_without_training_libraries(self, fitted: FittedRanker, saved: Path) -> None:
        program = (
            "import numpy as np; from pathlib import Path;"
            "from shortlist.models.discovery import fitted_class;"
            f"fitted = fitted_class({fitted.kind!r}).load(Path({str(saved)!r}));"
            f"fitted.predict(np.zeros((3, {len(fitted.columns)}), np.float32));"
        )
        run_where_only_serving_is_installed(program)


class RetrievalModelConformance(_Files):
    """For a `RetrievalModel`. Set `model` to a definition with settings that suit 9,000 interactions."""

    model: RetrievalModel
    is_personal = True

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls) -> FittedRetrieval:
        return cls.model.fit(interactions(300, 200, 9000, seed=1), seed=7)

    @pytest.fixture(scope="class")
    @classmethod
    def saved(cls, fitted: FittedRetrieval, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("model")
        fitted.save(folder)
        return folder

    def test_the_same_seed_gives_the_same_bytes(
        self, fitted: FittedRetrieval, saved: Path, tmp_path: Path
    ) -> None:
        self.model.fit(interactions(300, 200, 9000, seed=1), seed=7).save(tmp_path)
        for path in files(saved):
            assert path.read_bytes() == (tmp_path / path.relative_to(saved)).read_bytes()

    def test_loading_gives_the_same_scores(self, fitted: FittedRetrieval, saved: Path) -> None:
        loaded = type(fitted).load(saved)
        assert loaded.num_items == fitted.num_items == 200
        assert np.array_equal(loaded.scores(users(20)), fitted.scores(users(20)))

    def test_every_item_has_a_finite_score(self, fitted: FittedRetrieval) -> None:
        scores = fitted.scores(users(20))
        assert scores.shape == (20, 200)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("n", [0, 1, 7, 200, 300])
    def test_retrieving_finds_the_best_scores(self, fitted: FittedRetrieval, n: int) -> None:
        scores = fitted.scores(users(20))
        items, found = fitted.retrieve(users(20), n)
        assert items.shape == found.shape == (20, n)
        assert (items.dtype, found.dtype) == (np.int32, np.float32)
        for row in range(20):
            num_found = int((items[row] >= 0).sum())
            assert (items[row, num_found:] == -1).all()
            assert len(set(items[row, :num_found])) == num_found
            np.testing.assert_allclose(found[row, :num_found], scores[row, items[row, :num_found]], rtol=1e-4)
            assert (np.diff(found[row, :num_found]) <= 0).all()
            left_out = np.setdiff1d(np.arange(200), items[row])
            if num_found and len(left_out):
                assert found[row, num_found - 1] >= scores[row, left_out].max() - 1e-4

    @pytest.mark.parametrize("num_allowed", [0, 2, 20, 200])
    def test_what_is_not_allowed_is_left_out_and_nothing_else(
        self, fitted: FittedRetrieval, num_allowed: int
    ) -> None:
        is_allowed = np.zeros(200, np.bool_)
        is_allowed[np.random.default_rng(num_allowed).permutation(200)[:num_allowed]] = True
        found = fitted.retrieve(users(20), 7, Allowed.of(is_allowed))
        everything = fitted.retrieve(users(20), 200)
        for items_n, scores_n, all_items, all_scores in zip(*found, *everything, strict=True):
            is_wanted = (all_items >= 0) & is_allowed[all_items]
            assert len(items_n) == 7
            num_found = min(7, int(is_wanted.sum()))
            assert is_allowed[items_n[:num_found]].all()
            assert (items_n[num_found:] == -1).all()
            np.testing.assert_allclose(scores_n[:num_found], all_scores[is_wanted][:num_found], rtol=1e-4)

    def test_a_user_does_not_depend_on_the_company(self, fitted: FittedRetrieval) -> None:
        batch = users(20)
        together = fitted.scores(batch)
        for row in range(20):
            alone = fitted.scores(UserBatch(batch.history[row : row + 1]))[0]
            np.testing.assert_allclose(alone, together[row], rtol=1e-3, atol=1e-4)

    def test_padding_and_unknown_items_change_nothing(self, fitted: FittedRetrieval) -> None:
        batch = users(5, length=4)
        padded = np.concatenate([batch.history, np.full((5, 6), -1, np.int32)], axis=1)
        np.testing.assert_allclose(
            fitted.scores(UserBatch(padded)), fitted.scores(batch), rtol=1e-3, atol=1e-4
        )

    def test_a_user_without_history_is_answered(self, fitted: FittedRetrieval) -> None:
        for nothing in (np.full((2, 3), -1, np.int32), np.empty((2, 0), np.int32)):
            assert np.isfinite(fitted.scores(UserBatch(nothing))).all()
            assert fitted.retrieve(UserBatch(nothing), 5)[0].shape == (2, 5)
        assert fitted.retrieve(UserBatch(np.empty((0, 3), np.int32)), 5)[0].shape == (0, 5)

    def test_it_finds_a_planted_taste(self, fitted: FittedRetrieval) -> None:
        """Items of one taste end in the same digit; a history of one taste is answered with it."""
        if not self.is_personal:
            pytest.skip("the same for everybody")
        history = np.array([[digit + 10, digit, digit + 20] for digit in range(10)], np.int32)
        items, _ = fitted.retrieve(UserBatch(history), 8)
        assert (items % 10 == np.arange(10)[:, None]).mean() > 0.6

    def test_progress_ends_at_its_total(self) -> None:
        seen: list[tuple[int, int]] = []
        self.model.fit(
            interactions(60, 40, 900, seed=1), progress=lambda done, total: seen.append((done, total))
        )
        assert all(0 <= done <= total for done, total in seen)
        assert not seen or seen[-1][0] == seen[-1][1]

    def test_input_is_not_changed(self) -> None:
        data = interactions(30, 20, 300, seed=1)
        arrays = (data.users, data.items, data.times_us, data.weights)
        before = [array.tobytes() for array in arrays]
        self.model.fit(data)
        assert [array.tobytes() for array in arrays] == before

    def test_nothing_to_learn_from_is_harmless(self, tmp_path: Path) -> None:
        nothing = interactions(30, 20, 0, seed=1)
        fitted = self.model.fit(nothing)
        fitted.save(tmp_path)
        type(fitted).load(tmp_path)

    def test_it_serves_without_training_libraries(self, fitted: FittedRetrieval, saved: Path) -> None:
        program = (
            "from pathlib import Path;"
            "from shortlist.models.discovery import fitted_class;"
            f"fitted_class({fitted.kind!r}).load(Path({str(saved)!r}));"
        )
        run_where_only_serving_is_installed(program)


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-likelihood."""
    return float(-np.mean(np.where(labels > 0, np.log(probabilities), np.log1p(-probabilities))))


def copy(saved: Path, tmp_path: Path) -> Path:
    """Copy a model's folder, to damage it; the name of a copy is `copy`, made anew each time."""
    target = tmp_path / "copy"
    for path in files(saved):
        copied = target / path.relative_to(saved)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(path.read_bytes())
    return target


def files(folder: Path) -> list[Path]:
    """Return the files of a model, also those of a model inside it."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def assert_frozen_and_plain(definition) -> None:
    """A definition prints what it is made of: plain values, or definitions of models inside it."""
    for field in fields(definition):
        value = getattr(definition, field.name)
        if isinstance(value, RankingModel):
            assert_frozen_and_plain(value)
        else:
            assert isinstance(value, (int, float, str, bool, type(None)))
        with pytest.raises(FrozenInstanceError):
            setattr(definition, field.name, value)


def run_where_only_serving_is_installed(program: str) -> None:
    """Run a program in a new interpreter in which importing a training library fails."""
    # An entry of None makes the import fail, as if it were not installed; Numba alone would bring SciPy in.
    blocked = f"import sys; sys.modules.update(dict.fromkeys({TRAINING_LIBRARIES!r}));"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocked + program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
