"""Surfaces: how the product chooses; the stages of a funnel, its budget and its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.expressions import Attribute
from shortlist.declare.feature_checks import named_attribute
from shortlist.declare.features import Feature
from shortlist.declare.labels import Label

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
    """A surface's promise: 99 of 100 answers within `p99_ms`, in the memory that there is for it.

    Args:
        p99_ms: of an answer.
        index_mb: most megabytes, of 10^6 bytes, that each vector index of the surface may search in: training
            then chooses among those that fit; None for no limit.

    Raises:
        DeclarationError: when a budget is not positive.
    """

    p99_ms: float = 50.0
    index_mb: float | None = None

    def __post_init__(self) -> None:
        if not _is_budget(self.p99_ms):
            raise DeclarationError(
                "SLO", expected="p99_ms above 0", received=repr(self.p99_ms), mend="Write sl.SLO(p99_ms=50)."
            )
        if not (self.index_mb is None or _is_budget(self.index_mb)):
            raise DeclarationError(
                "SLO", expected="index_mb above 0", received=repr(self.index_mb),
                mend="Write sl.SLO(index_mb=500), or leave it out.",
            )  # fmt: skip

    def describe(self) -> str:
        """Print the budgets on one line."""
        index = "" if self.index_mb is None else f", an index = {self.index_mb:g} MB"
        return f"p99 = {self.p99_ms:g} ms{index}"


class Ladder:
    """Ranking models from simple to strong; evidence promotes the simplest that none beats.

    Args:
        rungs: ranking models, the simplest first.

    Raises:
        DeclarationError: for a ladder without rungs.
    """

    role: ClassVar[Role] = "ranker"

    def __init__(self, *rungs: object) -> None:
        if not rungs or any(isinstance(rung, type) or not _prints(rung) for rung in rungs):
            raise DeclarationError(
                "Ladder",
                expected="one ranking model or more, each built with brackets",
                received=list(rungs) or "none",
                mend="Write sl.Ladder(sl.Logistic(), sl.BoostedTrees()).",
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
    segment: Attribute | None = None

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
            f"k = {self.k}, {self.slo.describe()}",
            *([] if self.segment is None else [f"segment = {self.segment}"]),
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
    segment: object,
    labels: Mapping[str, Label],
    user: Entity,
) -> Surface:
    """Check and build a surface; `App.surface` gives the arguments.

    Raises:
        DeclarationError: for a stage in the wrong place, a surface without sources, a ranker
            without value, a value over a label of another app, a `k` outside 1 to 1000, or a
            segment that is no named attribute of the user.
    """
    thing = f"surface {name}"
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
    if isinstance(k, bool) or not (isinstance(k, int) and 1 <= k <= MAX_K):
        raise DeclarationError(
            thing, expected=f"k from 1 to {MAX_K}", received=repr(k), mend="A feed shows 20 or so."
        )
    if not isinstance(slo, SLO):
        raise DeclarationError(
            f"{thing}, slo", expected="an SLO", received=repr(slo), mend="Write slo=sl.SLO(p99_ms=50)."
        )
    if not isinstance(value or {}, Mapping):
        raise DeclarationError(
            f"{thing}, value",
            expected="a weight for each label",
            received=repr(value),
            mend="Write value={engaged: 1.0}.",
        )
    weights = dict(value or {})
    for label, weight in weights.items():
        if not isinstance(label, Label) or labels.get(label.label_name) is not label:
            raise DeclarationError(
                f"{thing}, value",
                expected=f"labels of this app: {sorted(labels)}",
                received=f"{type(label).__name__} {label}",
                mend="Weigh declared labels: value={engaged: 1.0}.",
            )
        if not (isinstance(weight, (int, float)) and abs(weight) < float("inf")):
            raise DeclarationError(
                f"{thing}, value of {label}",
                expected="a finite number",
                received=repr(weight),
                mend="Write 1.0.",
            )
    if ranker is not None and not weights:
        raise DeclarationError(
            thing,
            expected="a value for a ranker to predict",
            received="none",
            mend="Say what a positive is worth: value={engaged: 1.0}.",
        )
    ladder = ranker if isinstance(ranker, Ladder) else None if ranker is None else Ladder(ranker)
    segment = _checked_segment(f"{thing}, segment", segment, user)
    return Surface(name, tuple(sources), tuple(filters), ladder, weights, tuple(rerank), k, slo, segment)


def _checked_segment(thing: str, segment: object, user: Entity) -> Attribute | None:
    if segment is None:
        return None
    attribute = named_attribute(
        thing, segment, "Divide users by a name, as in user.country; declare a number that is a name as str."
    )
    if attribute.entity is not user:
        raise DeclarationError(
            thing,
            expected=f"an attribute of {user}, who chooses",
            received=str(attribute),
            mend=f"{user} has {sorted(user.attributes)}.",
        )
    return attribute


def _is_budget(amount: object) -> bool:
    return isinstance(amount, (int, float)) and 0 < amount < float("inf")


def _prints(stage: object) -> bool:
    """Tell whether a stage prints its settings: the fingerprint is made of what it prints."""
    return type(stage).__repr__ is not object.__repr__


def _check_roles(thing: str, stages: Sequence[object], role: Role) -> None:
    def fits(stage: object) -> bool:
        return not isinstance(stage, type) and getattr(stage, "role", None) == role and _prints(stage)

    listed = isinstance(stages, (list, tuple))
    wrong = [stage for stage in stages if not fits(stage)] if listed else [stages]
    if wrong:
        raise DeclarationError(
            thing,
            expected=f"a list of {role} stages, each a dataclass",
            received=repr(wrong[0]),
            mend="Stages are built with brackets, as in sl.Popular(n=100), each in the part of the "
            "surface that carries its role: sources, filters, rerank.",
        )
