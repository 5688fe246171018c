"""Expressions are trees that print as they are written, and read back the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist as sl
from declare.example import video

D = video()
NAMES = {"watch": D.watch, "video": D.video, "user": D.user, "context": D.context}

finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18)
number_columns = st.sampled_from([D.watch.watch_s, D.video.duration_s, D.video.likes, D.user.level])
conditions = st.sampled_from([D.video.explicit, D.user.adult, D.watch.muted])
texts = st.sampled_from([D.video.topic, D.video.creator, D.user.country, D.context.device])
times = st.sampled_from([D.video.published, D.watch.at, D.context.started])

OPERATORS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "&": lambda a, b: a & b, "|": lambda a, b: a | b,
}  # fmt: skip


def combine(operators, left, right):
    return st.builds(
        lambda operator, a, b: OPERATORS[operator](a, b), st.sampled_from(operators), left, right
    )


numbers = st.recursive(
    number_columns,
    lambda below: combine("+-*/", below, below | finite) | combine("+-*/", finite, below),
    max_leaves=6,
)
ORDERED = ["<", "<=", ">", ">="]
comparisons = (
    combine([*ORDERED, "==", "!="], numbers, numbers | finite)
    | combine(ORDERED, finite, numbers)
    | combine(["==", "!="], texts, texts | st.text(max_size=5))
    | combine([*ORDERED, "==", "!="], times, times)
)
trees = st.recursive(
    conditions | comparisons,
    lambda below: (
        combine("&|", below, below | st.booleans())
        | combine("&|", st.booleans(), below)
        | st.builds(lambda a: ~a, below)
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(trees | numbers)
def test_a_printed_expression_reads_back_as_itself(tree):
    again = eval(str(tree), dict(NAMES))
    assert str(again) == str(tree)
    assert again.type == tree.type
    assert [str(column) for column in again.columns()] == [str(column) for column in tree.columns()]


@settings(max_examples=100, deadline=None)
@given(trees)
def test_the_columns_of_a_tree_are_those_of_its_operands_in_order(tree):
    def leaves(node):
        below = node.operands()
        return [leaf for operand in below for leaf in leaves(operand)] if below else list(node.columns())

    assert list(map(id, tree.columns())) == list(map(id, leaves(tree)))


@pytest.mark.parametrize(
    ("expression", "printed", "type_"),
    [
        (D.watch.watch_s > 30, "(watch.watch_s > 30)", "bool"),
        (30 < D.watch.watch_s, "(watch.watch_s > 30)", "bool"),  # noqa: SIM300
        (1 - D.watch.watch_s / D.video.duration_s, "(1 - (watch.watch_s / video.duration_s))", "float"),
        (~D.video.explicit | D.user.adult, "(~video.explicit | user.adult)", "bool"),
        (~(D.video.explicit | D.user.adult), "~(video.explicit | user.adult)", "bool"),
        (D.context.device == "it's", '(context.device == "it\'s")', "bool"),
        (D.watch.watch_s > -0.1, "(watch.watch_s > -0.1)", "bool"),
        (D.video.published < D.context.started, "(video.published < context.started)", "bool"),
        (D.video.likes * 2, "(video.likes * 2)", "float"),
        (D.video.likes, "video.likes", "int"),
    ],
)
def test_how_an_expression_prints(expression, printed, type_):
    assert (str(expression), repr(expression), expression.type) == (printed, printed, type_)


def test_a_label_and_a_feature_print_their_expressions():
    where = (D.watch.watch_s > 30) & ~D.video.explicit
    (feature,) = sl.count(D.watch, by=D.video, window="1h", where=where)
    assert feature.name == f"count(watch, by=video, window=1h, where={where})"
    assert repr(feature) == feature.name


def test_expressions_can_be_members_of_sets_and_dictionaries():
    assert len({D.video.topic, D.video.topic, D.video.creator}) == 2
