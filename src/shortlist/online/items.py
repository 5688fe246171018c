"""What the log says of an item or a user now, and which items are like an item."""

from __future__ import annotations

import numpy as np

from shortlist.declare.app import App
from shortlist.features.entities import EntityTable
from shortlist.log.sqlite import now_us
from shortlist.online.attributes import attributes_of
from shortlist.online.problems import Fault, Problem, shown
from shortlist.online.router import Request, Response
from shortlist.online.schema import EntityAnswer, SimilarAnswer, SimilarItem, UserAnswer
from shortlist.online.service import Service

DEFAULT_SIMILAR = 10
MAX_SIMILAR = 100


class Items:
    """Answers the questions about single entities."""

    def __init__(self, app: App, service: Service) -> None:
        self._app, self._service = app, service

    async def get_item(self, request: Request) -> Response:
        """GET /v1/items/{id}."""
        state = self._service.opened.state
        code = _code(state.items, "item", request.path["id"])
        with state.lock:
            attributes = attributes_of(state.items, np.array([code]))[0]
        return Response(EntityAnswer(request.path["id"], attributes))

    async def get_user(self, request: Request) -> Response:
        """GET /v1/users/{id}."""
        state = self._service.opened.state
        code = _code(state.users, "user", request.path["id"])
        with state.lock:
            attributes = attributes_of(state.users, np.array([code]))[0]
            time_us = state.moment(now_us())
            history = {
                name: state.items.vocabulary.texts(state.history(feature, code, time_us).tolist())
                for name, feature in state.plan.histories.items()
                if feature.key == (self._app.user_entity,)
            }
        return Response(UserAnswer(request.path["id"], attributes, history))

    async def get_similar(self, request: Request) -> Response:
        """GET /v1/items/{id}/similar."""
        n = _whole(request.query.get("n", str(DEFAULT_SIMILAR)))
        opened, serving = self._service.opened, self._service.serving
        code = _code(opened.state.items, "item", request.path["id"])
        if serving.similar is None:
            raise Problem(
                "no-release",
                "The release that serves has no co-visits. Add sl.ItemToItem(n=100) to a surface, and train.",
            )
        items = [SimilarItem(item, score) for item, score in serving.similar.of(code, n)]
        return Response(SimilarAnswer(request.path["id"], serving.release, items))


def _code(table: EntityTable, field: str, id: str) -> int:
    code = table.vocabulary.code(id)
    if code < 0:
        fault = Fault.of(
            field, expected="an id that the log has seen", received=shown(id),
            mend=f"Send it first: PUT /v1/{field}s, or an event of it.",
        )  # fmt: skip
        raise Problem("not-found", fault)
    return code


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_SIMILAR):
        fault = Fault.of("n", expected=f"1 to {MAX_SIMILAR}", received=shown(text), mend="Ask for 10.")
        raise Problem("invalid-request", fault)
    return int(text)
