"""A model that was fitted elsewhere must take the columns of this declaration, in their order."""

from __future__ import annotations

import re

from shortlist.models.contract import Examples, RankingModel
from shortlist.models.errors import ModelError

_UNNAMED = re.compile(r"Column_\d+")  # what LightGBM calls the columns of a plain array


def check_columns(model: RankingModel, names: list[str], train: Examples) -> None:
    """Refuse a model that was fitted on other columns than these, or on these in another order.

    Args:
        model: for the message.
        names: of the columns the model was fitted on, in its order.
        train: has the columns that it would be given.

    Raises:
        ModelError: names both lists where they part.
    """
    wanted = [column.name for column in train.columns]
    are_unnamed = all(_UNNAMED.fullmatch(name) for name in names)
    for place, (name, want) in enumerate(zip(names, wanted, strict=False)):
        if not are_unnamed and _signs(name) != _signs(want):
            raise ModelError(
                f"{model!r}: expected column {place} to be {want!r}, received {name!r}. Fit it on the "
                f"columns of this declaration, in their order: {', '.join(wanted)}."
            )
    if len(names) != len(wanted):
        raise ModelError(
            f"{model!r}: expected {len(wanted)} columns, received {len(names)}. Fit it on the columns of "
            f"this declaration, in their order: {', '.join(wanted)}."
        )


def _signs(name: str) -> str:
    return re.sub(r"\W+|_", "", name)
