"""Expressions: operators on fields and attributes build a tree, which both paths evaluate.

The tree is only a description. `shortlist.features.evaluate` computes it, over arrays, for the
online and the offline path alike; `str(expression)` prints it back.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from shortlist.declare.errors import DeclarationError
from shortlist.declare.types import FieldType

if TYPE_CHECKING:
    from shortlist.declare.entities import Entity
    from shortlist.declare.events import Event

_NUMBERS = ("int", "float")
_MAX_NUMBER = sys.float_info.max
_PAST_INT64 = 2**63
_OPERATOR_NAMES = {"and": "&", "or": "|"}


class Expression:
    """A node of the tree; `type` is the type of its value."""

    type: FieldType

    def __add__(self, other: object) -> Expression:
        return _arithmetic("+", self, other)

    def __radd__(self, other: object) -> Expression:
        return _arithmetic("+", other, self)

    def __sub__(self, other: object) -> Expression:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: object) -> Expression:
        return _arithmetic("-", other, self)

    def __mul__(self, other: object) -> Expression:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: object) -> Expression:
        return _arithmetic("*", other, self)

    def __truediv__(self, other: object) -> Expression:
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: object) -> Expression:
        return _arithmetic("/", other, self)

    def __lt__(self, other: object) -> Expression:
        return _comparison("<", self, other)

    def __le__(self, other: object) -> Expression:
        return _comparison("<=", self, other)

    def __gt__(self, other: object) -> Expression:
        return _comparison(">", self, other)

    def __ge__(self, other: object) -> Expression:
        return _comparison(">=", self, other)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return _comparison("==", self, other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return _comparison("!=", self, other)

    def __and__(self, other: object) -> Expression:
        return _logic("and", self, other)

    def __or__(self, other: object) -> Expression:
        return _logic("or", self, other)

    def __rand__(self, other: object) -> Expression:
        return _logic("and", other, self)

    def __ror__(self, other: object) -> Expression:
        return _logic("or", other, self)

    def __invert__(self) -> Expression:
        if self.type != "bool":
            raise _wrong_types("~", self)
        return Operation("not", (self,), "bool")

    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise DeclarationError(
            f"expression {self}",
            expected="&, | and ~ between conditions",
            received="and, or, not, if, or a chained comparison, which Python decides at once",
            mend="Write (a > 1) & ~b, each comparison in brackets.",
        )

    def __repr__(self) -> str:
        return str(self)

    def operands(self) -> tuple[Expression, ...]:
        """Return the nodes directly below this one."""
        return ()

    def columns(self) -> Iterator[Column]:
        """Yield the columns the expression reads, in order of appearance, repeats included."""
        for operand in self.operands():
            yield from operand.columns()


class Column(Expression):
    """A leaf that is read from data: an event's field, an entity's attribute, a request's context."""

    name: str

    def columns(self) -> Iterator[Column]:
        """Yield this column."""
        yield self


class EventField(Column):
    """A field of an event, as in `watch.watch_s`."""

    def __init__(self, event: Event, name: str, type_: FieldType) -> None:
        self.event, self.name, self.type = event, name, type_

    def __str__(self) -> str:
        return f"{self.event.event_name}.{self.name}"


class Attribute(Column):
    """An attribute of an entity, as in `video.topic`: its value as the log knew it at that moment."""

    def __init__(self, entity: Entity, name: str, type_: FieldType) -> None:
        self.entity, self.name, self.type = entity, name, type_

    def __str__(self) -> str:
        return f"{self.entity.entity_name}.{self.name}"


class ContextField(Column):
    """A field of the request's context, as in `context.device`; logged with the impression."""

    def __init__(self, name: str, type_: FieldType) -> None:
        self.name, self.type = name, type_

    def __str__(self) -> str:
        return f"context.{self.name}"


class Constant(Expression):
    """A literal number, text or truth value."""

    def __init__(self, value: float | str | bool) -> None:
        self.value = value
        if isinstance(value, bool):
            self.type = "bool"
        elif isinstance(value, str):
            self.type = "str"
        else:
            self.type = "int" if isinstance(value, int) and abs(value) < _PAST_INT64 else "float"

    def __str__(self) -> str:
        return repr(self.value)


class Operation(Expression):
    """An operator over one or two operands."""

    def __init__(self, operator: str, operands: tuple[Expression, ...], type_: FieldType) -> None:
        self.operator, self.type = operator, type_
        self._operands = operands

    def operands(self) -> tuple[Expression, ...]:
        """Return the operands, left to right."""
        return self._operands

    def __str__(self) -> str:
        if self.operator == "not":
            return f"~{self._operands[0]}"
        symbol = _OPERATOR_NAMES.get(self.operator, self.operator)
        return f"({self._operands[0]} {symbol} {self._operands[1]})"


def as_expression(value: object) -> Expression:
    """Wrap a literal as a constant; leave an expression as it is."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, (bool, str)) or (isinstance(value, (int, float)) and abs(value) <= _MAX_NUMBER):
        return Constant(value)
    raise DeclarationError(
        "expression",
        expected="a field, an attribute, or a literal finite number, text or truth value",
        received=repr(value),
        mend="Combine declared fields and attributes with operators, as in watch.watch_s > 30.",
    )


def _arithmetic(symbol: str, left: object, right: object) -> Expression:
    operands = (as_expression(left), as_expression(right))
    if any(operand.type not in _NUMBERS for operand in operands):
        raise _wrong_types(symbol, *operands)
    return Operation(symbol, operands, "float")


def _comparison(symbol: str, left: object, right: object) -> Expression:
    operands = (as_expression(left), as_expression(right))
    types = {("number" if operand.type in _NUMBERS else operand.type) for operand in operands}
    ordered = types <= {"number"} or types <= {"time"}
    if len(types) != 1 or not (ordered or (symbol in ("==", "!=") and "floats" not in types)):
        raise _wrong_types(symbol, *operands)
    return Operation(symbol, operands, "bool")


def _logic(name: str, left: object, right: object) -> Expression:
    operands = (as_expression(left), as_expression(right))
    if any(operand.type != "bool" for operand in operands):
        raise _wrong_types(_OPERATOR_NAMES[name], *operands)
    return Operation(name, operands, "bool")


def _wrong_types(symbol: str, *operands: Expression) -> DeclarationError:
    received = " and ".join(f"{operand} ({operand.type})" for operand in operands)
    return DeclarationError(
        f"operator {symbol}",
        expected="numbers for + - * /; two numbers or two times for < <= > >=; the same type for == "
        "and !=; conditions for & | ~",
        received=received,
        mend="Compare first, then combine: (watch.watch_s > 30) & ~video.explicit.",
    )
