"""The routes of one product: what is served where, by whom."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

import shortlist
from shortlist.declare.app import App
from shortlist.online.health import Health
from shortlist.online.ingest import Ingest
from shortlist.online.items import DEFAULT_SIMILAR, MAX_SIMILAR, Items
from shortlist.online.openapi import document, entities_body, events_body
from shortlist.online.recommend import Recommend
from shortlist.online.router import Handler, Request, Response, Route, Router
from shortlist.online.schema import (
    Alive,
    EntityAnswer,
    Index,
    IngestAnswer,
    Readiness,
    RecommendAnswer,
    RecommendRequest,
    SimilarAnswer,
    UserAnswer,
)
from shortlist.online.service import Service
from shortlist.online.telemetry import CONTENT_TYPE

Pages = Mapping[str, tuple[str, bytes]]
"""Further pages by path, each a content type and a body; "/" takes the place of the index."""


def build_app(
    app: App,
    service: Service,
    pages: Pages | None = None,
    *,
    loopback_only: bool = False,
) -> Router:
    """Return the ASGI application of a product.

    Args:
        app: the declaration.
        service: its log, state and releases; it may still be opening.
        pages: what else to serve.
        loopback_only: refuse requests that call the server by another machine's name.
    """
    pages = pages or {}
    routes = _routes(app, service)
    described = msgspec.json.encode(document(app, shortlist.__version__, routes))
    index = Index(app.name, list(app.surfaces), "/openapi.json")
    extra = [Route("GET", "/openapi.json", _always(Response(described)), "This document.")]
    if "/" not in pages:
        extra.append(Route("GET", "/", _always(Response(index)), "What this server is.", gives=Index))
    extra += [
        Route(
            "GET",
            path,
            _always(Response(body, content_type=content_type)),
            "A page.",
            content_type=content_type,
        )
        for path, (content_type, body) in pages.items()
    ]
    return Router([*routes, *extra], service.telemetry, loopback_only=loopback_only)


def _routes(app: App, service: Service) -> list[Route]:
    ingest, recommend, items, health = (
        Ingest(app, service), Recommend(app, service), Items(app, service), Health(service),
    )  # fmt: skip
    body_problems = (400, 413, 415)
    n = {"type": "integer", "minimum": 1, "maximum": MAX_SIMILAR, "default": DEFAULT_SIMILAR}
    return [
        Route("POST", "/v1/events", ingest.post_events,
              "Log events; the answer comes when they are on the disk and in every feature.",
              takes=events_body(app), gives=IngestAnswer, room=ingest.room,
              problems=(*body_problems, 422, 503)),
        Route("POST", "/v1/surfaces/{name}/recommend", recommend.post, "Choose for a user.",
              takes=RecommendRequest, gives=RecommendAnswer, problems=(*body_problems, 404, 422, 503)),
        Route("PUT", "/v1/items", ingest.put_items, "Replace items' attributes.",
              takes=entities_body(app.item_entity, "items"), gives=IngestAnswer, room=ingest.room,
              problems=(*body_problems, 422, 503)),
        Route("PUT", "/v1/users", ingest.put_users, "Replace users' attributes.",
              takes=entities_body(app.user_entity, "users"), gives=IngestAnswer, room=ingest.room,
              problems=(*body_problems, 422, 503)),
        Route("GET", "/v1/items/{id}", items.get_item, "An item's attributes.",
              gives=EntityAnswer, problems=(404, 503)),
        Route("GET", "/v1/items/{id}/similar", items.get_similar, "What goes with an item.",
              gives=SimilarAnswer, problems=(404, 422, 503), query={"n": n}),
        Route("GET", "/v1/users/{id}", items.get_user, "A user's attributes and histories.",
              gives=UserAnswer, problems=(404, 503)),
        Route("GET", "/healthz", health.get_alive, "Whether the process runs.", gives=Alive),
        Route("GET", "/readyz", health.get_ready, "Whether requests can be answered.",
              gives=Readiness, same=(503,)),
        Route("GET", "/metrics", health.get_metrics, "Measurements for Prometheus.",
              content_type=CONTENT_TYPE),
    ]  # fmt: skip


def _always(response: Response) -> Handler:
    async def handler(request: Request) -> Response:
        return response

    return handler
