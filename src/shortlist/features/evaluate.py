"""Expressions over arrays: the one evaluation that both paths share.

Null is contagious in arithmetic and comparisons; `&`, `|` and `~` follow Kleene's three-valued
logic (S. C. Kleene, Introduction to Metamathematics, 1952): false & null is false, true | null is
true. A result that is not finite, such as a division by zero, is null. Arithmetic is in 64-bit
floats; two whole numbers compare as such, so that ids beyond 2**53 differ where they differ.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from shortlist.declare.expressions import Column, Constant, Expression, Operation
from shortlist.features.values import Values

Read = Callable[[Column], Values]

_BINARY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def evaluate(expression: Expression, read: Read) -> Values:
    """Compute an expression.

    Args:
        expression: the tree.
        read: gives the values of a column, [N] or [1].

    Returns:
        The result, [N], or [1] when every column read was [1], or one that was decides a condition alone.
    """
    if isinstance(expression, Column):
        return read(expression)
    if isinstance(expression, Constant):
        return _constant(expression)
    assert isinstance(expression, Operation)
    operands = [evaluate(operand, read) for operand in expression.operands()]
    if expression.operator == "not":
        return Values("bool", ~operands[0].values, operands[0].known)
    left, right = operands
    if expression.operator in ("and", "or"):
        return _kleene(expression.operator, left, right)
    if left.type == "str":
        left, right = left, _translated(right, left)
    elif expression.type == "float" or {left.type, right.type} == {"int", "float"}:
        left, right = _as_floats(left), _as_floats(right)
    known = left.known & right.known
    if expression.type == "bool":  # a comparison, of which NumPy never warns
        return Values("bool", _BINARY[expression.operator](left.values, right.values), known)
    with np.errstate(all="ignore"):
        result = _BINARY[expression.operator](left.values, right.values)
    return Values(expression.type, result, known & np.isfinite(result))


@lru_cache(maxsize=1024)  # by identity, which is how expressions hash
def _constant(constant: Constant) -> Values:
    return Values.given(constant.type, constant.value)


def _kleene(name: str, left: Values, right: Values) -> Values:
    # One operand decides alone: with "or" one that is true, with "and" one that is false.
    for one, other in ((left, right), (right, left)):
        if len(one.values) == 1 and one.known[0]:  # the same in every row, such as what a user is
            return one if one.values[0] == (name == "or") else other
    if name == "or":
        decided = (left.known & left.values) | (right.known & right.values)
        return Values("bool", decided, decided | (left.known & right.known))
    decided = (left.known & ~left.values) | (right.known & ~right.values)
    return Values("bool", ~decided, decided | (left.known & right.known))


def _as_floats(values: Values) -> Values:
    if values.type == "float":
        return values
    return Values("float", values.values.astype(np.float64), values.known)


def _translated(values: Values, like: Values) -> Values:
    """Renumber text into the vocabulary of another column, so that equal text has equal codes."""
    assert values.vocabulary is not None
    assert like.vocabulary is not None
    if values.vocabulary is like.vocabulary:
        return values
    distinct, inverse = np.unique(values.values, return_inverse=True)
    texts = ["" if code < 0 else values.vocabulary.text(code) for code in distinct]
    # A text that the other column never held gets a code that no row of it has.
    codes = np.array([like.vocabulary.code(text) if text else -2 for text in texts], np.int64)
    codes[codes == -1] = -2
    return Values("str", codes[inverse.reshape(-1)], values.known)
