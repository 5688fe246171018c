"""The answer of a metric that is a mean over groups, with the parts it was made of.

Shapes: N examples, G groups that count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class MetricInputError(ValueError):
    """A metric was given arrays it cannot judge."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over groups (lists, users), and how many groups it rests on.

    Attributes:
        value: the weighted mean of `values`; NaN where no group counts.
        num_groups: G, the groups that count.
        groups: int64 [G], the identity of each group, ascending.
        values: float64 [G], the metric of each group: what `intervals` resamples.
        weights: float64 [G], the weight of each group in the mean.
    """

    value: float
    num_groups: int
    groups: NDArray[np.int64] = field(repr=False, compare=False)
    values: NDArray[np.float64] = field(repr=False, compare=False)
    weights: NDArray[np.float64] = field(repr=False, compare=False)

    def __float__(self) -> float:
        return self.value


def mean_over(
    groups_G: NDArray[np.int64],
    values_G: NDArray[np.float64],
    weights_G: NDArray[np.float64] | None = None,
) -> Mean:
    """Average one value a group; equal weights where none are given."""
    weights_G = np.ones(len(values_G)) if weights_G is None else weights_G
    value = float(np.average(values_G, weights=weights_G)) if len(values_G) else float("nan")
    return Mean(value, len(values_G), groups_G, values_G, weights_G)


def column(name: str, values: ArrayLike, dtype: type[np.generic], length: int | None = None) -> NDArray[Any]:
    """Read one argument of a metric as a flat array of N values.

    Raises:
        MetricInputError: it is not one-dimensional, or not of the given length.
    """
    values_N = np.asarray(values)
    if values_N.ndim != 1:
        raise MetricInputError(
            f"{name}: expected one value an example, got an array of shape {values_N.shape}"
        )
    if length is not None and len(values_N) != length:
        raise MetricInputError(
            f"{name}: expected {length} values, as many as the first column, got {len(values_N)}"
        )
    if np.issubdtype(dtype, np.integer) and values_N.size and values_N.dtype.kind not in "iub":
        raise MetricInputError(f"{name}: expected whole numbers, got {values_N.dtype}; encode the ids first")
    return values_N.astype(dtype, copy=False)


def binary_labels(labels: ArrayLike, length: int | None = None) -> NDArray[np.bool_]:
    """Read labels that must be 0/1 or False/True.

    Raises:
        MetricInputError: another value is among them.
    """
    labels_N = column("labels", labels, np.float64, length)
    if not np.isin(labels_N, (0.0, 1.0)).all():
        odd = labels_N[~np.isin(labels_N, (0.0, 1.0))][0]
        raise MetricInputError(f"labels: expected 0 or 1, got {odd:g}; compare with a threshold first")
    return labels_N.astype(np.bool_)


def without_nan(name: str, values_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pass the values on.

    Raises:
        MetricInputError: one is NaN.
    """
    num_nan = int(np.isnan(values_N).sum())
    if num_nan:
        raise MetricInputError(
            f"{name}: {num_nan} of {len(values_N)} are NaN; mend the model or leave these rows out"
        )
    return values_N
