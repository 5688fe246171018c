"""The OpenAPI page, made from the routes, their structs, and the declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shortlist.declare.app import App
from shortlist.declare.entities import Entity
from shortlist.online.attributes import json_schema
from shortlist.online.ingest import MAX_ID_CHARS
from shortlist.online.problems import PROBLEM_TYPE, ProblemDocument
from shortlist.online.router import JSON, Route
from shortlist.online.schema import MAX_BATCH

_REF = "#/components/schemas/{name}"
_STATUSES = {
    400: "The body is not JSON.",
    404: "There is no such thing.",
    413: "The body is too large.",
    415: "The body must be JSON.",
    421: "The server listens for this machine only, and the Host header names another.",
    422: "The request does not fit; the problem names the field.",
    500: "The server failed; the problem's request_id finds the reason in its log.",
    503: "Not ready, or too busy; try again after Retry-After.",
}
Schema = dict[str, Any]


def events_body(app: App) -> Schema:
    """Return the JSON schema of POST /v1/events: one event or a batch, each of a declared type."""
    kinds = [_event(app, name) for name in app.events]
    return _batch("events", {"oneOf": kinds, "discriminator": {"propertyName": "type"}})


def entities_body(entity: Entity, name: str) -> Schema:
    """Return the JSON schema of PUT /v1/items and PUT /v1/users: whole rows, which replace the old ones."""
    ids = json_schema({entity.entity_name: "str"})
    row = _object(ids | _nullable(json_schema(entity.attribute_types)), [entity.entity_name])
    row["description"] = "The whole row: an attribute that is left out becomes null."
    return _batch(name, row)


def document(app: App, version: str, routes: Sequence[Route]) -> Schema:
    """Return the whole OpenAPI 3.1 document."""
    types = {id(one): one for route in routes for one in (route.takes, route.gives) if isinstance(one, type)}
    types[id(ProblemDocument)] = ProblemDocument
    references, components = msgspec.json.schema_components(types.values(), ref_template=_REF)
    schemas = dict(zip(types, references, strict=True))
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": app.name, "version": version, "summary": "What this person should see next."},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(route: Route, schemas: Mapping[int, Schema]) -> Schema:
    in_path = [part[1:-1] for part in route.parts if part[:1] == "{"]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path
    ] + [{"name": name, "in": "query", "schema": dict(schema)} for name, schema in route.query.items()]
    given = {} if route.gives is None else {"schema": schemas[id(route.gives)]}
    responses: Schema = {"200": {"description": "OK", "content": {route.content_type: given}}}
    problem = {PROBLEM_TYPE: {"schema": schemas[id(ProblemDocument)]}}
    for status in (*route.problems, 421, 500):
        responses[str(status)] = {"description": _STATUSES[status], "content": problem}
    responses |= {
        str(status): {"description": _STATUSES[status], "content": {JSON: given}} for status in route.same
    }
    operation: Schema = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "responses": responses,
    }
    if parameters:
        operation["parameters"] = parameters
    if route.takes is not None:
        schema = route.takes if isinstance(route.takes, dict) else schemas[id(route.takes)]
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return operation


def _operation_id(route: Route) -> str:
    words = [part.strip("{}") for part in route.parts if part]
    return "_".join([route.method.lower(), *words]).replace(".", "_")


def _event(app: App, name: str) -> Schema:
    event = app.events[name]
    ids = [entity.entity_name for entity in event.entities]
    columns = json_schema(event.columns)
    own = {field: schema for field, schema in columns.items() if field not in ids}
    properties = {
        "type": {"const": name},
        **{field: columns[field] for field in ids},
        **_nullable(own),
        "id": {
            "type": ["string", "null"], "minLength": 1, "maxLength": MAX_ID_CHARS,
            "description": "Names the event once and for all: sent again, it has no second effect.",
        },
        "time": {**json_schema({"time": "time"})["time"], "description": "When it happened; by default now."},
    }  # fmt: skip
    return _object(properties, ["type", *ids])


def _object(properties: Mapping[str, object], required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _nullable(schemas: Mapping[str, Schema]) -> Schema:
    return {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in schemas.items()}


def _batch(name: str, row: Schema) -> Schema:
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": MAX_BATCH}
    return {"oneOf": [_object({name: rows}, [name]), row]}
