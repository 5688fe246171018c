"""A rule in words of the declaration: keep the candidates for which it holds.

C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.expressions import Attribute, EventField, Expression
from shortlist.stages.contract import Filter, FilterStage, Items, Query


@dataclass(frozen=True, eq=False)
class Where(FilterStage):
    """Keep a candidate when a condition over user, item and request holds.

    What is unknown is not kept: a condition that comes out null drops the candidate, so that a
    missing attribute can never let through what the rule was to keep out. The connectives follow
    Kleene's three-valued logic: `~video.explicit | user.adult` drops a video whose `explicit` is
    unknown, unless the user is known to be an adult, for then it holds either way.

    Args:
        condition: an expression over attributes and context, of type bool.

    Raises:
        DeclarationError: when it is no condition, or reads an event.
    """

    condition: Expression

    def __post_init__(self) -> None:
        if not isinstance(self.condition, Expression) or self.condition.type != "bool":
            raise DeclarationError(
                "Where",
                expected="a condition",
                received=repr(self.condition),
                mend="Compare, or use a bool attribute: sl.Where(~video.explicit | user.adult).",
            )
        for column in self.condition.columns():
            if isinstance(column, EventField):
                raise DeclarationError(
                    f"Where({self.condition})",
                    expected="attributes and context, known before the request",
                    received=str(column),
                    mend="What happened before is a feature; NotSeen drops what the user already had.",
                )

    def reads(self, app: App) -> tuple[()]:
        """Check that the condition speaks of this app's user and item; no feature is read."""
        for column in self.condition.columns():
            if isinstance(column, Attribute) and column.entity not in (app.user_entity, app.item_entity):
                raise DeclarationError(
                    f"Where({self.condition})",
                    expected=f"attributes of {app.user_entity} and {app.item_entity}",
                    received=str(column),
                    mend="A request knows who chooses and what is chosen, nothing else.",
                )
        return ()

    def ready(self, app: App) -> Filter:
        """Return a function that evaluates the condition."""
        self.reads(app)

        def keep(query: Query, items: Items) -> NDArray[np.bool_]:
            held = query.state.evaluate(self.condition, query.user, items, query.time_us, query.context)
            return np.asarray(held, np.bool_)

        return keep
