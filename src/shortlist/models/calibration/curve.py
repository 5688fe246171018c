"""A monotone map from a model's log-odds to log-odds whose probabilities mean what they say.

N rows, K knots.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import frozen
from shortlist.models.errors import ModelFileError

METHODS = ("none", "platt", "isotonic")


@dataclass(frozen=True)
class Calibration:
    """A map of log-odds: a line, or between knots; outside the outermost knots it is flat.

    Args:
        method: "none", "platt" or "isotonic".
        scores: float64 [K], increasing: the model's log-odds at the knots; Platt and none have no knots.
        log_odds: float64 [K], never decreasing: the calibrated log-odds there.
        slope: of the line, above 0.
        shift: of the line.
    """

    method: str
    scores: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map log-odds float64 [N]; a score's image depends on it alone."""
        if self.method == "none":
            return scores
        if self.method == "platt":
            return self.slope * scores + self.shift
        return np.asarray(np.interp(scores, self.scores, self.log_odds), np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "method": self.method,
            "scores": self.scores.tolist(),
            "log_odds": self.log_odds.tolist(),
            "slope": self.slope,
            "shift": self.shift,
        }

    @classmethod
    def from_dict(cls, folder: Path, value: Any) -> Self:
        """Read what `as_dict` returned.

        Raises:
            ModelFileError: when it is something else, or the map would not be monotone and finite.
        """
        try:
            made = cls(
                value["method"],
                frozen(np.array(value["scores"], np.float64)),
                frozen(np.array(value["log_odds"], np.float64)),
                float(value["slope"]),
                float(value["shift"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{folder}: expected a calibration, received {value!r}.") from error
        knots, images = made.scores, made.log_odds
        fits = made.method in METHODS and knots.ndim == images.ndim == 1 and len(knots) == len(images)
        fits = fits and (len(knots) > 0) == (made.method == "isotonic")
        everything = np.concatenate([knots.ravel(), images.ravel(), [made.slope, made.shift]])
        if not (
            fits
            and np.isfinite(everything).all()
            and made.slope > 0
            and (np.diff(knots) > 0).all()
            and (np.diff(images) >= 0).all()
        ):
            raise ModelFileError(f"{folder}: expected a finite, never falling calibration.")
        return made


NO_KNOTS: NDArray[np.float64] = frozen(np.zeros(0))
IDENTITY = Calibration("none", NO_KNOTS, NO_KNOTS)
