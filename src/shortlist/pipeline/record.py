"""The record of one request: everything that happened to its candidates, stage by stage.

C candidates, F feature columns, P labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shortlist.pipeline.merge import NOBODY, Candidates
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Items, Slate


@dataclass(frozen=True)
class Ranked:
    """What ranked the candidates `items` [C]: features [C, F], parts [C, P]; F, P are 0 if not computed.

    The features are those of the moment `time_us`, after the records up to `as_of_seq`.
    """

    items: Items
    features: NDArray[np.float32]
    parts: NDArray[np.float32]
    as_of_seq: int
    time_us: int


@dataclass
class Record:
    """What happened to one request; written under the lock of its `leg.Hold`, by whoever has the request.

    Args:
        stages: the trace so far.
        degraded: what went wrong so far, in words.
        proposals: what each source proposed, by its number.
        candidates: the merged proposals.
        cut: the proposals that were too many.
        removed: what each filter removed, in order, by its name.
        ranked: the evidence for the ranking; None when nothing was ranked.
        slates: the slate after the ranker and after each re-ranker, by its name.
        is_fallback: whether the most popular items, everybody's or the user's segment's, had to stand in.
    """

    stages: list[StageTrace] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    proposals: dict[int, Items] = field(default_factory=dict)
    candidates: Candidates = NOBODY
    cut: Items = field(default_factory=lambda: NOBODY.items)
    removed: list[tuple[str, Items]] = field(default_factory=list)
    ranked: Ranked | None = None
    slates: list[tuple[str, Slate]] = field(default_factory=list)
    is_fallback: bool = False
    elapsed_ms: float = 0.0
