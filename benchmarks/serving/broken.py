"""The same feed with a fourth source that breaks, and a ranker that is slow, when a file says so.

SERVING_FAULTS names a folder. While it holds a file `hang`, the source sleeps; while it holds `throw`, it
raises; while it holds `slow`, every score takes SLOW_S longer.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serving.app import declare
from shortlist.declare.app import App
from shortlist.models.retrieval import FittedRetrieval
from shortlist.stages.contract import Items, Query, Retrieved, Source, SourceStage
from shortlist.stages.rankers.expected_value import ExpectedValue

FAULTS = Path(os.environ["SERVING_FAULTS"])
HANG_S, SLOW_S = 5.0, 0.05


@dataclass(frozen=True)
class Breaking(SourceStage):
    """Proposes nothing, and hangs or raises when told to."""

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that looks for its faults."""

        def propose(query: Query) -> Retrieved:
            if (FAULTS / "hang").exists():
                time.sleep(HANG_S)
            if (FAULTS / "throw").exists():
                raise RuntimeError("the shelf is gone")
            return Retrieved(np.empty(0, np.int64), np.empty(0, np.float32))

        return propose


_score = ExpectedValue.score


def _slow_score(self: ExpectedValue, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if (FAULTS / "slow").exists():
        time.sleep(SLOW_S)
    return _score(self, features)


ExpectedValue.score = _slow_score  # type: ignore[method-assign]

app = declare(Breaking())
