"""Which candidates share the value of an attribute.

C candidates, N ids.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.expressions import Attribute
from shortlist.declare.feature_checks import named_attribute
from shortlist.features.kernels.arrays import as_int64
from shortlist.stages.contract import Items, Query


def check_nominal(thing: str, attribute: object) -> None:
    """Check that candidates can be grouped by an attribute.

    Raises:
        DeclarationError: when it is no attribute, or one that is measured rather than named.
    """
    mend = "Group by a name, as in video.creator; declare a number that is a name as str."
    named_attribute(thing, attribute, mend)


def check_of_item(thing: str, app: App, attribute: Attribute) -> None:
    """Check that an attribute belongs to what the app chooses.

    Raises:
        DeclarationError: when it is another entity's.
    """
    if attribute.entity is not app.item_entity:
        raise DeclarationError(
            thing,
            expected=f"an attribute of {app.item_entity}, which is what is chosen",
            received=str(attribute),
            mend=f"{app.item_entity} has {sorted(app.item_entity.attributes)}.",
        )


def groups(query: Query, attribute: Attribute, items: Items) -> NDArray[np.int64]:
    """Return the group of each candidate, int64 [C]; -1 where the attribute is unknown."""
    with query.state.lock:
        return as_int64(query.state.items.stored(attribute.name, items))
