"""A number of a plan with its unit, and where it is from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shortlist.errors import Mendable

Origin = Literal["measured", "declared", "assumed"]


class PlanError(Mendable):
    """A demand that no number of machines meets, or an amount that makes no sense."""


@dataclass(frozen=True)
class Figure:
    """A number, and how far to trust it.

    Args:
        name: what it is.
        value: how much.
        unit: of what; "" for a count or a share.
        origin: measured here, declared by whoever asks, or assumed.
        why: where it was measured, or why it is assumed.
    """

    name: str
    value: float
    unit: str
    origin: Origin
    why: str

    def __post_init__(self) -> None:
        if not 0 <= self.value < float("inf"):
            raise PlanError(
                self.name, expected="0 or more", received=f"{self.value:g}", mend="Give another value."
            )
