"""From a funnel's answer to what the client gets, with its evidence logged and its stages measured."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import msgspec
from msgspec import UNSET

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.online.attributes import attributes_of
from shortlist.online.impressions import Impressions
from shortlist.online.loader import Serving
from shortlist.online.opening import Opened
from shortlist.online.router import Response, encoded
from shortlist.online.schema import RecommendAnswer, RecommendRequest, Slot
from shortlist.online.telemetry import Telemetry
from shortlist.pipeline.answer import Answer


class Ask(msgspec.Struct, frozen=True):
    """One request to recommend, checked, and what it is answered with.

    Args:
        id: of the request.
        body: as it came.
        context: its context, checked.
        surface: which it asks.
        opened: the log and the state.
        serving: the release: one makes the whole answer.
    """

    id: str
    body: RecommendRequest
    context: dict[str, object]
    surface: Surface
    opened: Opened
    serving: Serving


class Slates:
    """Writes answers; any thread may call it.

    Args:
        app: the declaration.
        telemetry: told of every stage and of what was degraded.
    """

    def __init__(self, app: App, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._impressions = Impressions(app, telemetry)

    def response(self, ask: Ask, answer: Answer) -> Response:
        """Write an answer as it is sent, and queue its evidence first."""
        sent = _sent(ask, answer)
        if not ask.body.preview:
            self._impressions.submit(ask.opened.log, ask.body.user, ask.context, answer, sent)
        self._telemetry.answered(sent.surface, answer)
        return Response(encoded(sent))


def _sent(ask: Ask, answer: Answer) -> RecommendAnswer:
    state = ask.opened.state
    labels = answer.labels
    columns: list[Sequence[Any]] = [
        state.items.vocabulary.texts(answer.items.tolist()),
        answer.positions.tolist(),
        [score if isfinite(score) else None for score in answer.scores.tolist()],
        [dict(zip(labels, parts)) for parts in answer.parts.tolist()],  # noqa: B905  one a label
        answer.propensities.tolist(),
        answer.sources,
    ]
    if ask.body.attributes:
        with state.lock:
            columns.append(attributes_of(state.items, answer.items))
    slots = list(map(Slot, *columns))
    trace = answer.trace if ask.body.trace else UNSET
    return RecommendAnswer(
        ask.id, ask.surface.surface_name, ask.serving.release, answer.degraded, slots, trace
    )
