"""What a user did: the history that stages read, one definition for all of them."""

from __future__ import annotations

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import Event
from shortlist.declare.feature_calls import last
from shortlist.declare.features import Last


def history_of(thing: str, app: App, of: Event | None, *, n: int, within: str | None = None) -> Last:
    """Return the history of a user's last `n` items.

    Args:
        thing: who asks, for the error.
        app: the declaration.
        of: the event that counts; None for the app's first event between two entities, the one
            that also fixes who chooses what.
        n: how many items.
        within: how far back, a duration; None for however old.

    Raises:
        DeclarationError: for an event that is not this app's, or not between its user and item.
    """
    user, item = app.user_entity, app.item_entity
    if of is None:
        of = next(event for event in app.events.values() if len(event.entities) > 1)
    elif app.events.get(of.event_name) is not of or not {user, item} <= set(of.entities):
        raise DeclarationError(
            f"{thing}, of={of}",
            expected=f"an event of this app between {user} and {item}",
            received=f"{of} of {[str(entity) for entity in of.entities]}",
            mend="Name the event by which a user touches an item, or leave `of` out.",
        )
    feature = last(of, by=user, n=n, window=within)[0]
    assert isinstance(feature, Last)
    return feature


def check_event(thing: str, of: object) -> None:
    """Check that an argument is an event, or None for the app's first.

    Raises:
        DeclarationError: when it is neither.
    """
    if of is not None and not isinstance(of, Event):
        raise DeclarationError(
            f"{thing}, of",
            expected="an event",
            received=repr(of),
            mend='Pass what app.event returned: watch = app.event("watch", user, video).',
        )
