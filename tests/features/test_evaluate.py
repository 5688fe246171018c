"""Expressions over arrays: three-valued logic, nulls, and text of different vocabularies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import shortlist as sl
from shortlist.declare.expressions import Column, Expression
from shortlist.features.evaluate import evaluate
from shortlist.features.values import Values
from shortlist.features.vocabulary import Vocabulary

app = sl.App("logic")
a = app.entity("a", yes=bool, text=str, number=float)
b = app.entity("b", yes=bool, text=str, number=float)


def compute(expression: Expression, **columns: Values) -> list[object]:
    def read(column: Column) -> Values:
        return columns[str(column).replace(".", "_")]

    result = evaluate(expression, read)
    return [value.item() if known else None for value, known in zip(result.values, result.known, strict=True)]


def truths(values: list[bool | None]) -> Values:
    return Values.stored("bool", np.array([-1 if value is None else int(value) for value in values], np.int8))


def texts(values: list[str | None], vocabulary: Vocabulary) -> Values:
    codes = [-1 if value is None else int(vocabulary.insert([value])[0]) for value in values]
    return Values.stored("str", np.array(codes), vocabulary)


PAIRS = list(itertools.product([True, False, None], repeat=2))


@pytest.mark.parametrize(
    ("expression", "table"),
    [
        (a.yes & b.yes, [True, False, None, False, False, False, None, False, None]),
        (a.yes | b.yes, [True, True, True, True, False, None, True, None, None]),
        (~a.yes, [False, False, False, True, True, True, None, None, None]),
    ],
)
def test_logic_is_kleenes(expression: Expression, table: list[object]) -> None:
    left, right = (truths([pair[side] for pair in PAIRS]) for side in (0, 1))
    assert compute(expression, a_yes=left, b_yes=right) == table


@pytest.mark.parametrize("lone", [True, False, None])
@pytest.mark.parametrize(
    "expression", [a.yes & b.yes, a.yes | b.yes, b.yes & a.yes, b.yes | ~a.yes, (a.yes | b.yes) & a.yes]
)
def test_what_is_the_same_in_every_row_is_as_if_it_stood_in_each(
    expression: Expression, lone: bool | None
) -> None:
    rows = truths([True, False, None])
    alone = compute(expression, a_yes=rows, b_yes=truths([lone]))
    assert (alone * 3 if len(alone) == 1 else alone) == compute(
        expression, a_yes=rows, b_yes=truths([lone] * 3)
    )


def test_text_is_compared_as_text_whatever_its_numbers() -> None:
    left = texts(["x", "y", None, "z"], Vocabulary(["q", "z"]))
    right = texts(["x", "x", "x", "new"], Vocabulary(["y"]))
    assert compute(a.text == b.text, a_text=left, b_text=right) == [True, False, None, False]
    assert compute(a.text != b.text, a_text=left, b_text=right) == [False, True, None, True]
    assert compute(a.text == "x", a_text=left) == [True, False, None, False]
    assert compute(a.text != "unheard of", a_text=left) == [True, True, None, True]


def test_what_is_not_finite_is_null() -> None:
    numbers = Values.stored("float", np.array([4.0, 0.0, np.nan, 1e308]))
    assert compute(1 / a.number, a_number=numbers) == [0.25, None, None, 1e-308]
    assert compute(a.number * 10 > 0, a_number=numbers) == [True, False, None, None]
