"""The parser and the kernels against LightGBM itself, on random models and on rows made to fall on edges."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.models.errors import ModelFileError
from shortlist.models.trees import walk
from shortlist.models.trees.scorer import TreeScorer
from shortlist.models.trees.text import parse_trees

SETTINGS = st.fixed_dictionaries(
    {
        "num_leaves": st.integers(2, 40),
        "min_data_in_leaf": st.sampled_from([1, 5, 200]),  # 200 of 300 rows: no split at all
        "use_missing": st.booleans(),
        "zero_as_missing": st.booleans(),
        "max_bin": st.sampled_from([3, 15, 255]),
        "max_cat_to_onehot": st.sampled_from([1, 4, 40]),
        "cat_smooth": st.sampled_from([0.0, 10.0]),
        "min_data_per_group": st.sampled_from([1, 100]),
        "boost_from_average": st.booleans(),
        "extra_trees": st.booleans(),
    }
)


def training_rows(rng: np.random.Generator, missing: float) -> np.ndarray:
    """300 rows of six columns: normal, whole, mostly zero, few and many categories, heavy-tailed."""
    columns = [
        rng.normal(size=300),
        rng.integers(-3, 4, 300),
        np.where(rng.random(300) < 0.7, 0.0, rng.normal(size=300)),
        rng.integers(0, 5, 300),
        rng.integers(0, 90, 300),
        rng.lognormal(0, 4, 300),
    ]
    rows = np.stack(columns, axis=1).astype(np.float32)
    rows[rng.random(rows.shape) < missing] = np.nan
    return rows


def edge_rows(rng: np.random.Generator, rows: np.ndarray, text: str) -> np.ndarray:
    """The training rows, and rows of thresholds, their neighbours in float32, and odd values."""
    thresholds = np.unique(parse_trees(text).threshold)
    odd = np.array(
        [np.nan, np.inf, -np.inf, 0, -0.0, 1e-36, -1e-36, 1e-34, -1e-34, 3e38, -1, -0.5, 4.7, 31, 32, 1e6],
        np.float32,
    )
    near = np.concatenate(
        [
            odd,
            thresholds,
            np.nextafter(thresholds, np.float32(9e9)),
            np.nextafter(thresholds, np.float32(-9e9)),
        ]
    )
    return np.concatenate(
        [rows, rng.choice(near, (300, rows.shape[1])), rng.choice(odd, (200, rows.shape[1]))]
    )


def boosted(
    rows: np.ndarray,
    labels: np.ndarray,
    parameters: dict[str, Any],
    num_trees: int,
    categorical: tuple[int, ...] = (3, 4),
) -> str:
    data = lightgbm.Dataset(rows, labels, categorical_feature=list(categorical))
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True}
    return str(lightgbm.train({**fixed, **parameters}, data, num_trees).model_to_string())


def raw_scores(text: str, query: np.ndarray) -> np.ndarray:
    """Both kernels' scores, which must be the same bits."""
    trees = parse_trees(text)
    walked = walk.raw_scores(trees, query)
    assert np.array_equal(TreeScorer(trees)(query), walked)
    return walked


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    missing=st.sampled_from([0.0, 0.02, 0.3]),
    parameters=SETTINGS,
    num_trees=st.integers(1, 12),
)
def test_scores_are_those_of_lightgbm(
    seed: int, missing: float, parameters: dict[str, Any], num_trees: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = training_rows(rng, missing)
    signal = np.nan_to_num(rows[:, 0]) + (np.nan_to_num(rows[:, 4]) % 3 == 0) + np.isnan(rows[:, 2])
    labels = (rng.random(300) < 1 / (1 + np.exp(1 - signal))).astype(np.float32)
    text = boosted(rows, labels, parameters, num_trees)
    query = edge_rows(rng, rows, text)
    expected = lightgbm.Booster(model_str=text).predict(query, raw_score=True, num_threads=1)
    np.testing.assert_allclose(raw_scores(text, query), expected, rtol=1e-12, atol=0)


def small_model() -> str:
    rng = np.random.default_rng(5)
    rows = training_rows(rng, 0.1)
    labels = (np.nan_to_num(rows[:, 0]) + (np.nan_to_num(rows[:, 4]) % 3 == 0) > 0.5).astype(np.float32)
    return boosted(rows, labels, {"num_leaves": 8, "cat_smooth": 0.0, "min_data_per_group": 1}, 3)


def test_every_kind_of_split_is_exercised() -> None:
    """Guards the tests above: without these, they would prove nothing about them."""
    trees = parse_trees(small_model())
    categorical = trees.category_words[:, 1] > 0
    assert categorical.any()
    assert not categorical.all()
    assert trees.missing_left.any()
    assert not trees.missing_left[~categorical].all()


def replaced(line: str, value: str) -> str:
    """The small model with the first line of that name given another value."""
    before, _, after = small_model().partition(f"\n{line}=")
    return f"{before}\n{line}={value}\n{after.partition(chr(10))[2]}"


def test_thresholds_without_a_finite_value_are_read_as_lightgbm_reads_them() -> None:
    rng = np.random.default_rng(6)
    rows = training_rows(rng, 0.2)
    labels = (np.nan_to_num(rows[:, 0]) > np.nan_to_num(rows[:, 2])).astype(np.float32)
    text = boosted(rows[:, :3], labels, {"num_leaves": 6}, 1, categorical=())
    before, _, after = text.partition("\nthreshold=")
    for odd in ("inf -inf nan 1e300 -1e300", "nan nan nan nan nan", "inf inf inf inf inf"):
        changed = f"{before}\nthreshold={odd}\n{after.partition(chr(10))[2]}"
        query = edge_rows(rng, rows[:, :3], changed)
        expected = lightgbm.Booster(model_str=changed).predict(query, raw_score=True, num_threads=1)
        assert np.array_equal(raw_scores(changed, query), expected)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("version", "v3"),
        ("num_class", "3"),
        ("objective", "regression"),
        ("objective", "binary sigmoid:2"),
        ("max_feature_idx", "2"),
        ("max_feature_idx", "-1"),
        ("tree_sizes", "1 2"),
        ("Tree", "7"),
        ("num_leaves", "0"),
        ("num_leaves", "9"),
        ("num_leaves", "many"),
        ("num_cat", "0"),
        ("split_feature", "0 0 0 0 0 0 99"),
        ("split_feature", "0 0 0 0 0 0 -1"),
        ("threshold", "1 2 3"),
        ("decision_type", "2 2 2 2 2 2 15"),
        ("left_child", "0 0 0 0 0 0 0"),
        ("left_child", "1 2 3 4 5 6 0"),
        ("right_child", "-1 -2 -3 -4 -5 -6 -900"),
        ("right_child", "1.5 -2 -3 -4 -5 -6 -8"),
        ("leaf_value", "1 2 3 nan 5 6 7 8"),
        ("leaf_value", "1 2 3 inf 5 6 7 8"),
        ("cat_boundaries", "0 5 3"),
        ("cat_threshold", "1"),
        ("is_linear", "1"),
    ],
)
def test_damaged_text_is_refused(line: str, value: str) -> None:
    parse_trees(small_model())
    with pytest.raises(ModelFileError, match="LightGBM model text"):
        parse_trees(replaced(line, value))


@pytest.mark.parametrize(
    ("line", "value", "message"),
    [
        ("num_leaves", "0", "tree 2 has no leaf"),
        ("num_leaves", "4294967295", "split_feature must hold 4294967294 numbers, found 7"),
        ("split_feature", "0 0 0 0 0 0 99", "tree 2 splits an unknown feature"),
        ("split_feature", "0 0 0 0 0,0 0 0", "split_feature is missing or no list"),
        ("split_feature", "0,0 0 0 0 0 0 0", "split_feature is missing or no list"),
        ("split_feature", "0 0 0 0 0 0 [0]", "split_feature is missing or no list"),
        ("split_feature", "0 0 0 0 0 0 null", "split_feature is missing or no list"),
        ("decision_type", "2 2 2 2 2 2 15", "tree 2 has an unknown decision type"),
        ("left_child", "0 0 0 0 0 0 0", "tree 2 is no tree"),
        ("right_child", "-1 -1 -1 -1 -1 -1 -1", "tree 2 is no tree"),
        ("right_child", "7 -2 -3 -4 -5 -6 -8", "tree 2 is no tree"),
        ("leaf_value", "1 2 3 4 5 6 7 inf", "tree 2 has a leaf without a finite value"),
        ("cat_boundaries", "1 2", "cat_boundaries"),
        ("cat_threshold", "-1", "cat_threshold"),
    ],
)
def test_damage_to_the_last_tree_is_refused_and_named(line: str, value: str, message: str) -> None:
    before, _, after = small_model().rpartition(f"\n{line}=")
    with pytest.raises(ModelFileError, match=message):
        parse_trees(f"{before}\n{line}={value}\n{after.partition(chr(10))[2]}")


def test_two_trees_cannot_make_up_for_one_another() -> None:
    """All the numbers are there, but one of the second tree's stands in the first."""
    before, first, second, third = small_model().split("\nleaf_value=")
    moved = f"{first.partition(chr(10))[0]} 0.5{first[first.index(chr(10)) :]}"
    with pytest.raises(ModelFileError, match="leaf_value must hold 8 numbers, found 9"):
        parse_trees("\nleaf_value=".join([before, moved, second.partition(" ")[2], third]))


@pytest.mark.parametrize("change", [" ", "  ", "\t"])
def test_blanks_between_numbers_mean_nothing(change: str) -> None:
    plain = small_model()
    lines = plain.split("\n")
    changed = [line.replace(" ", change) + change if "_child=" in line else line for line in lines]
    expected, found = parse_trees(plain), parse_trees("\n".join(changed))
    assert np.array_equal(found.children, expected.children)


ONE_LEAF = """\
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0.25
shrinkage=1
"""


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_tree_of_one_leaf_stands_among_others(place: int) -> None:
    rng = np.random.default_rng(8)
    rows = training_rows(rng, 0.1)
    labels = (np.nan_to_num(rows[:, 4]) % 2 == 0).astype(np.float32)
    header, *trees = boosted(rows, labels, {"num_leaves": 5, "cat_smooth": 0.0}, 2).split("\n\nTree=")
    trees[-1], _, end = trees[-1].partition("\nend of trees")
    bodies = [tree.partition("\n")[2] for tree in trees]

    def of(bodies: list[str]) -> str:
        sizes = f"\ntree_sizes={' '.join('1' for _ in bodies)}"
        head = header.partition("\ntree_sizes=")[0] + sizes
        numbered = [f"{number}\n{body}" for number, body in enumerate(bodies)]
        return "\n\nTree=".join([head, *numbered]) + "\nend of trees" + end

    query = edge_rows(rng, rows, of(bodies))
    expected = np.zeros(len(query))
    with_leaf = [*bodies[:place], ONE_LEAF, *bodies[place:]]
    for body in with_leaf:
        expected += 0.25 if body == ONE_LEAF else raw_scores(of([body]), query)
    assert np.array_equal(raw_scores(of(with_leaf), query), expected)


@pytest.mark.parametrize("text", ["", "tree\n", "<html>", "\x00\x01", "tree\nend of trees"])
def test_foreign_text_is_refused(text: str) -> None:
    with pytest.raises(ModelFileError):
        parse_trees(text)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_cut_text_is_refused(data: st.DataObject) -> None:
    text = small_model()
    end = data.draw(st.integers(0, text.index("\nend of trees")))
    with pytest.raises(ModelFileError):
        parse_trees(text[:end])
