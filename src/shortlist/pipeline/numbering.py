"""From a release's numbers of items to the codes that a process's state gives them.

I items of the release.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shortlist.features.vocabulary import Vocabulary
from shortlist.stages.contract import Items

_AT_ONCE = 500  # ids: about a tenth of a millisecond


def item_codes(vocabulary: Vocabulary, item_ids: Sequence[str], pause_s: float = 0.0) -> Items:
    """Return the code int64 [I] of each of a release's items, -1 for one that the state has never seen.

    Args:
        vocabulary: the state's.
        item_ids: of the release.
        pause_s: how long to leave the interpreter to others after some hundred ids: whoever answers
            requests beside a loop of a million steps would otherwise wait for the lock again and again.
    """
    codes = np.empty(len(item_ids), np.int64)
    for first in range(0, len(item_ids), _AT_ONCE):
        codes[first : first + _AT_ONCE] = vocabulary.codes(item_ids[first : first + _AT_ONCE])
        if pause_s:
            time.sleep(pause_s)
    return codes
