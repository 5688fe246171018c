"""Which candidates are among others; for a request's few hundred, many times quicker than `np.isin`.

C candidates, N others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.features.kernels.arrays import as_int64
from shortlist.stages import kernels
from shortlist.stages.contract import Items


def among(items_C: Items, others_N: Items) -> NDArray[np.bool_]:
    """Return which items are among the others, bool [C]."""
    return kernels.places_among(as_int64(items_C), as_int64(others_N)) >= 0
