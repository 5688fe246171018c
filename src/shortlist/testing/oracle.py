"""The naive oracle of features: plain loops over every record, nothing shared with the two paths.

It is slow and obviously right, and so it says what a declaration means. Property tests hold the
online fold and the offline engine against it, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt

from shortlist.declare.app import App
from shortlist.declare.entities import Entity
from shortlist.declare.events import IMPRESSION, Event
from shortlist.declare.expressions import (
    Attribute,
    Column,
    Constant,
    ContextField,
    EventField,
    Expression,
    Operation,
)
from shortlist.declare.features import Age, Feature, Key, Last, Rate, Recency, Value, Windowed
from shortlist.declare.labels import Label
from shortlist.log.record import Record

Scalar = float | int | str | bool | None

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_STEPS = 2**20
_LIMIT = 2**31
_MAX_FLOAT32 = (2 - 2**-23) * 2.0**127


@dataclass(frozen=True)
class Moment:
    """A request: for whom, about what, after which record, when, in what context."""

    user: str
    item: str
    as_of_seq: int
    time_us: int
    context: Mapping[str, Scalar]


class Oracle:
    """Answers what every feature was at a moment, by reading the whole log each time.

    Args:
        app: the declaration.
        records: the log, in order.
    """

    def __init__(self, app: App, records: Sequence[Record]) -> None:
        self.app = app
        self.records = list(records)
        self.conversions = {label.label_name: self._conversions(label) for label in app.labels.values()}

    def feature(self, feature: Feature, moment: Moment) -> Scalar | list[str]:
        """Return a feature's value: a number, a text, None for null, or a list of item ids."""
        if isinstance(feature, Windowed):
            return self._windowed(feature, moment)
        if isinstance(feature, Rate):
            return self._rate(feature, moment)
        if isinstance(feature, Recency):
            rows = self._of_key(feature.source, feature.where, feature.key, moment)
            return (moment.time_us - rows[-1].log_time_us) / 1e6 if rows else None
        if isinstance(feature, Last):
            rows = self._of_key(feature.source, feature.where, feature.key, moment)
            if feature.window_us is not None:
                rows = [row for row in rows if row.log_time_us >= moment.time_us - feature.window_us]
            return [str(row.fields[self.app.item_entity.entity_name]) for row in reversed(rows[-feature.n :])]
        if isinstance(feature, Age):
            since = self._at_request(feature.since, moment)
            return None if since is None else float(moment.time_us - int(since)) / 1e6
        assert isinstance(feature, Value)
        value = self._at_request(feature.expression, moment)
        if value is None or isinstance(value, str):
            return value
        return float(value) if abs(float(value)) <= _MAX_FLOAT32 else None

    def outcome(self, label: Label, impression_seq: int) -> bool:
        """Tell whether an impression ever turned positive."""
        return any(seq == impression_seq for _, seq in self.conversions[label.label_name])

    def _windowed(self, feature: Windowed, moment: Moment) -> Scalar:
        rows = self._in_window(feature.source, feature.where, feature.key, feature, moment)
        if feature.value is None:
            return float(len(rows))
        steps = []
        for row in rows:
            value = self._at_event(feature.value, row)
            if value is not None and abs(float(value)) < _LIMIT:
                steps.append(round(float(value) * _STEPS))  # half to even, as IEEE 754 rounds
        if feature.aggregate == "sum":
            return float(sum(steps)) / _STEPS
        return float(sum(steps)) / (float(len(steps)) * _STEPS) if steps else None

    def _rate(self, feature: Rate, moment: Moment) -> float:
        def counts(key: Key) -> tuple[float, float]:
            shown = self._in_window(self.app.impression, None, key, feature, moment)
            positive = self._in_window(feature.label, None, key, feature, moment)
            return float(len(positive)), float(len(shown))

        all_positive, all_shown = counts(())
        positive, shown = counts(feature.key)
        expected = (all_positive + 1.0) / (all_shown + 2.0)
        return (positive + feature.prior * expected) / (shown + feature.prior)

    def _in_window(
        self,
        source: Event | Label,
        where: Expression | None,
        key: Key,
        feature: Windowed | Rate,
        moment: Moment,
    ) -> list[Record]:
        start = math.floor((moment.time_us - feature.window_us) / feature.tile_us) * feature.tile_us
        rows = self._of_key(source, where, key, moment)
        return [row for row in rows if row.log_time_us >= start]

    def _of_key(
        self, source: Event | Label, where: Expression | None, key: Key, moment: Moment
    ) -> list[Record]:
        """Return the source's records that the moment sees and whose key is the moment's."""
        wanted = [self._part_at_request(part, moment) for part in key]
        if None in wanted:
            return []
        if isinstance(source, Label):
            rows = [record for record, _ in self.conversions[source.label_name]]
        else:
            rows = [record for record in self.records if record.kind == source.event_name]
        return [
            row
            for row in rows
            if _visible(row, moment)
            and [self._part_at_event(part, row) for part in key] == wanted
            and (where is None or self._at_event(where, row) is True)
        ]

    def _conversions(self, label: Label) -> list[tuple[Record, int]]:
        """Return the label's events that turned an impression positive, with that impression's seq."""
        user, item = self.app.user_entity.entity_name, self.app.item_entity.entity_name
        found: list[tuple[Record, int]] = []
        for record in self.records:
            if record.kind != label.event.event_name:
                continue
            if label.condition is not None and self._at_event(label.condition, record) is not True:
                continue
            shown = [
                earlier
                for earlier in self.records
                if earlier.kind == IMPRESSION
                and earlier.seq < record.seq
                and earlier.fields[user] == record.fields[user]
                and earlier.fields[item] == record.fields[item]
            ]
            if not shown or record.log_time_us - shown[-1].log_time_us >= label.within_us:
                continue
            if all(seq != shown[-1].seq for _, seq in found):
                found.append((record, shown[-1].seq))
        return found

    def _part_at_event(self, part: Entity | Attribute, row: Record) -> Scalar:
        if isinstance(part, Entity):
            return str(row.fields[part.entity_name])
        return self._at_event(part, row)

    def _part_at_request(self, part: Entity | Attribute, moment: Moment) -> Scalar:
        if isinstance(part, Entity):
            return self._id_at_request(part, moment)
        return self._at_request(part, moment)

    def _id_at_request(self, entity: Entity, moment: Moment) -> str:
        return moment.user if entity is self.app.user_entity else moment.item

    def _at_event(self, expression: Expression, row: Record) -> Scalar:
        def read(column: Column) -> Scalar:
            if isinstance(column, EventField):
                return _scalar(row.fields.get(column.name))
            assert isinstance(column, Attribute)
            owner = str(row.fields[column.entity.entity_name])
            return self._attribute(column, owner, [known for known in self.records if known.seq < row.seq])

        return _evaluate(expression, read)

    def _at_request(self, expression: Expression, moment: Moment) -> Scalar:
        def read(column: Column) -> Scalar:
            if isinstance(column, ContextField):
                return moment.context.get(column.name)
            assert isinstance(column, Attribute)
            owner = self._id_at_request(column.entity, moment)
            known = [record for record in self.records if _visible(record, moment)]
            return self._attribute(column, owner, known)

        return _evaluate(expression, read)

    def _attribute(self, attribute: Attribute, owner: str, known: Sequence[Record]) -> Scalar:
        name = attribute.entity.entity_name
        updates = [record for record in known if record.kind == name and record.fields[name] == owner]
        return _scalar(updates[-1].fields.get(attribute.name)) if updates else None


def _visible(record: Record, moment: Moment) -> bool:
    return record.seq <= moment.as_of_seq and record.log_time_us < moment.time_us


def _scalar(value: object) -> Scalar:
    assert value is None or isinstance(value, (float, int, str, bool))
    return value


def _evaluate(expression: Expression, read: Callable[[Column], Scalar]) -> Scalar:
    if isinstance(expression, Column):
        return read(expression)
    if isinstance(expression, Constant):
        return expression.value
    assert isinstance(expression, Operation)
    operands = [_evaluate(operand, read) for operand in expression.operands()]
    operator = expression.operator
    if operator == "not":
        return None if operands[0] is None else not operands[0]
    left, right = operands
    if operator in ("and", "or"):
        decisive = operator == "or"
        if decisive in (left, right):
            return decisive
        return None if None in (left, right) else not decisive
    if left is None or right is None:
        return None
    if operator in "+-*/" or {operand.type for operand in expression.operands()} == {"int", "float"}:
        left, right = float(left), float(right)
    if operator in ("==", "!="):
        return (left == right) == (operator == "==")
    assert not isinstance(left, str)
    assert not isinstance(right, str)
    return _arithmetic(operator, left, right)


def _arithmetic(operator: str, left: float, right: float) -> Scalar:
    if operator in _COMPARISONS:
        return _COMPARISONS[operator](left, right)
    if operator == "/" and right == 0:
        return None
    result = {"+": left + right, "-": left - right, "*": left * right}.get(operator)
    result = float(left / right) if result is None else float(result)
    return result if math.isfinite(result) else None
