"""Shortlist: from an event log to a ranked shortlist for every user, in milliseconds.

Declare a product once, in one Python file, and everything a production recommender needs is
derived from it. Read as `import shortlist as sl`.

Stages and models are found by their name, so that a new one needs no list to be edited:
`sl.ItemToItem` is the class of that name in `item_to_item.py` of a room below `stages` or `models`.
"""

from __future__ import annotations

import importlib
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.feature_calls import age, count, last, mean, rate, recency, sum
from shortlist.declare.surface import SLO, Ladder
from shortlist.declare.types import Time

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "SLO",
    "App",
    "DeclarationError",
    "Ladder",
    "Time",
    "age",
    "count",
    "last",
    "mean",
    "rate",
    "recency",
    "sum",
]

__version__ = "0.1.0"

_ROOMS = ("stages.sources", "stages.filters", "stages.rerankers", "models")


def __getattr__(name: str) -> Any:
    """Find a stage or a model by its class name, importing only the file it lives in."""
    if name[:1].isupper():
        file = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        for room in _ROOMS:
            module = f"{__name__}.{room}.{file}"
            if find_spec(module) is not None:
                return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no stage, model or function {name!r}")
