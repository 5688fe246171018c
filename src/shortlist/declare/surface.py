"""Surfaces: how the product chooses; the stages of a funnel, its budget and its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

from shortlist.declare.errors import DeclarationError
from shortlist.declare.features import Feature
from shortlist.declare.labels import Label
from shortlist.declare.names import check_name

if TYPE_CHECKING:
    from shortlist.declare.app import App

Role = Literal["source", "filter", "ranker", "reranker"]
MAX_K = 1000


@runtime_checkable
class Stage(Protocol):
    """What a declaration asks of a stage: its role, and the features it reads."""

    role: ClassVar[Role]

    def reads(self, app: App) -> Sequence[Feature]:
        """Return the features this stage needs kept, besides the declared ones."""
        ...


@dataclass(frozen=True)
class SLO:
    """A surface's promise: 99 of 100 answers within `p99_ms`.

    Raises:
        DeclarationError: when the budget is not positive.
    """

    p99_ms: float = 50.0

    def __post_init__(self) -> None:
        if not self.p99_ms > 0:
            raise DeclarationError(
                "SLO", expected="p99_ms above 0", received=self.p99_ms, mend="Write sl.SLO(p99_ms=50)."
            )


class Ladder:
    """Ranking models from simple to strong; evidence promotes the simplest that none beats.

    Args:
        rungs: ranking models, the simplest first.

    Raises:
        DeclarationError: for a ladder without rungs.
    """

    role: ClassVar[Role] = "ranker"

    def __init__(self, *rungs: object) -> None:
        if not rungs:
            raise DeclarationError(
                "Ladder", expected="one model or more", received="none", mend="sl.Ladder(sl.Logistic(), ...)."
            )
        self.rungs = rungs

    def __repr__(self) -> str:
        return f"Ladder({', '.join(repr(rung) for rung in self.rungs)})"


@dataclass(frozen=True, eq=False)
class Surface:
    """One place where the product chooses, as declared by `app.surface`."""

    surface_name: str
    sources: tuple[Stage, ...]
    filters: tuple[Stage, ...]
    ladder: Ladder | None
    value: Mapping[Label, float]
    rerank: tuple[Stage, ...]
    k: int
    slo: SLO

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Every declared stage but the ranker, in funnel order."""
        return (*self.sources, *self.filters, *self.rerank)

    def describe(self) -> str:
        """Print the surface on one line a part."""
        value = ", ".join(f"{label}: {weight:g}" for label, weight in self.value.items())
        lines = [
            f"sources = {list(self.sources)}",
            f"filters = {list(self.filters)}",
            f"ranker  = {self.ladder}",
            f"value   = {{{value}}}",
            f"rerank  = {list(self.rerank)}",
            f"k = {self.k}, p99 = {self.slo.p99_ms:g} ms",
        ]
        return "\n".join([f'surface("{self.surface_name}")', *(f"  {line}" for line in lines)])


def declare_surface(
    name: str,
    *,
    sources: Sequence[Stage],
    filters: Sequence[Stage],
    ranker: object,
    value: Mapping[Label, float] | None,
    rerank: Sequence[Stage],
    k: int,
    slo: SLO,
    labels: Mapping[str, Label],
) -> Surface:
    """Check and build a surface; `App.surface` gives the arguments.

    Raises:
        DeclarationError: for a stage in the wrong place, a surface without sources, a ranker
            without value, a value over a label of another app, or a `k` outside 1 to 1000.
    """
    thing = f"surface {check_name('surface', name)}"
    _check_roles(f"{thing}, sources", sources, "source")
    _check_roles(f"{thing}, filters", filters, "filter")
    _check_roles(f"{thing}, rerank", rerank, "reranker")
    if not sources:
        raise DeclarationError(
            thing,
            expected="a source or more",
            received="none",
            mend="sources=[sl.Popular(n=100)] is a start.",
        )
    if not (isinstance(k, int) and 1 <= k <= MAX_K):
        raise DeclarationError(
            thing, expected=f"k from 1 to {MAX_K}", received=k, mend="A feed shows 20 or so."
        )
    weights = dict(value or {})
    for label, weight in weights.items():
        if not isinstance(label, Label) or labels.get(label.label_name) is not label:
            raise DeclarationError(
                f"{thing}, value",
                expected=f"labels of this app: {sorted(labels)}",
                received=str(label),
                mend="Weigh declared labels: value={engaged: 1.0}.",
            )
        if not (isinstance(weight, (int, float)) and abs(weight) < float("inf")):
            raise DeclarationError(
                f"{thing}, value of {label}", expected="a finite number", received=weight, mend="Write 1.0."
            )
    if ranker is not None and not weights:
        raise DeclarationError(
            thing,
            expected="a value for a ranker to predict",
            received="none",
            mend="Say what a positive is worth: value={engaged: 1.0}.",
        )
    ladder = ranker if isinstance(ranker, Ladder) else None if ranker is None else Ladder(ranker)
    return Surface(name, tuple(sources), tuple(filters), ladder, weights, tuple(rerank), k, slo)


def _check_roles(thing: str, stages: Sequence[object], role: Role) -> None:
    for stage in stages:
        if isinstance(stage, type) or getattr(stage, "role", None) != role:
            raise DeclarationError(
                thing,
                expected=f"{role} stages",
                received=repr(stage),
                mend="Stages are built with brackets, as in sl.Popular(n=100), each in the part of the "
                "surface that carries its role: sources, filters, rerank.",
            )
