"""The fingerprint of a declaration: what a release was built for, and may be served for."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shortlist.declare.app import App


def description(app: App) -> dict[str, object]:
    """Describe a declaration as plain JSON values, in a fixed order.

    A surface's budget and `k` are left out: they are promises to the caller, which a release need
    not be rebuilt for.
    """
    return {
        "app": app.name,
        "entities": {name: entity.attribute_types for name, entity in sorted(app.entities.items())},
        "events": {
            name: {
                "of": [str(entity) for entity in event.entities],
                "fields": {field: column.type for field, column in event.fields.items()},
            }
            for name, event in sorted(app.events.items())
        },
        "impression": [str(entity) for entity in app.pair or ()],
        "context": {name: field.type for name, field in sorted(app.request_context.fields.items())},
        "labels": [label.describe() for _, label in sorted(app.labels.items())],
        # The stages' too: which event NotSeen reads hangs on the order in which events are declared.
        "features": list(app.read_features()),
        "surfaces": {
            name: {
                "sources": [repr(stage) for stage in surface.sources],
                "filters": [repr(stage) for stage in surface.filters],
                "ranker": repr(surface.ladder),
                "value": {str(label): weight for label, weight in surface.value.items()},
                "rerank": [repr(stage) for stage in surface.rerank],
                # Left out where there is none: a surface keeps the fingerprint it had before segments were.
                **({} if surface.segment is None else {"segment": str(surface.segment)}),
            }
            for name, surface in sorted(app.surfaces.items())
        },
    }


def fingerprint(app: App) -> str:
    """Return the hexadecimal sha256 of the description."""
    text = json.dumps(description(app), sort_keys=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
