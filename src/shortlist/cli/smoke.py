"""The proof of the demo: over real HTTP, a feed that changes because of what was watched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.cli.client import get, post
from shortlist.cli.console import plain, say
from shortlist.cli.errors import DemoFailed

VISITOR = "newcomer"
NUM_WATCHED = 3
_ENGAGED_S = 20.0  # of the recipe's label: what a watch must exceed to count
_WATCHED_SHARE = 0.9
_TRIES, _PAUSE_S = 20, 0.5

Feed = dict[str, Any]


def first_feed(url: str) -> Feed:
    """Ask as somebody nobody knows; nothing is logged."""
    return _feed(url, is_preview=True)


def drive(url: str) -> None:
    """Ask, watch, ask again; print one line of proof.

    Before the watches and after them the feed is asked for in preview, which logs nothing: between the
    two lie the watches alone. Asked for twice before, it shows what changes by itself: the explored places.

    Raises:
        DemoFailed: when the answer did not change, or not because of the watches.
    """
    logged_before = int(get(f"{url}/readyz")["last_seq"])
    shown_first = _feed(url)["items"]
    _wait_until_logged(url, logged_before + len(shown_first))
    watched = [one for one in shown_first if _seconds(one) > _ENGAGED_S][:NUM_WATCHED]
    _check(len(watched) == NUM_WATCHED, f"the feed holds {len(watched)} videos long enough to watch")
    control, before = _feed(url, is_preview=True), _feed(url, is_preview=True)
    _watch(url, watched)
    after = _feed(url, is_preview=True)

    ids = {one["item"] for one in watched}
    shown = {one["item"]: one["score"] for one in before["items"] if one["item"] not in ids}
    kept = {one["item"]: one["score"] for one in after["items"] if one["item"] in shown}
    num_rescored = sum(abs(score - shown[item]) > 1e-9 for item, score in kept.items())
    num_new, num_new_anyway = _num_new(before, after), _num_new(control, before)
    related = [one for one in after["items"] if "ItemToItem" in one["sources"]]
    proposed = [_num_out(feed, "ItemToItem") for feed in (before, after)]

    _check(not ids & {one["item"] for one in after["items"]}, "what was watched is still in the feed")
    _check(proposed[0] == 0 < proposed[1], f"ItemToItem proposed {proposed[0]}, then {proposed[1]}")
    _check(num_new > num_new_anyway, f"{num_new} chosen places are new, {num_new_anyway} without a watch")
    _check(bool(related) or num_rescored > 0, "nothing related came in, and no score moved")
    say(
        f"[green]smoke: passed[/]. Watched {', '.join(plain(_title(one)) for one in watched)}: "
        f"all {len(ids)} left the feed, {num_new} of {len(after['items'])} places are chosen anew "
        f"({num_new_anyway} without a watch), ItemToItem proposed {proposed[0]} and then {proposed[1]} "
        f"and brought {len(related)} of those shown, {num_rescored} of {len(kept)} that stayed are rescored."
    )


def _feed(url: str, *, is_preview: bool = False) -> Feed:
    """Ask until the answer is whole: on a machine busy with other things the first may come too late."""
    asked = {"user": VISITOR, "trace": True, "attributes": True, "preview": is_preview}
    for _ in range(_TRIES):
        answer = post(f"{url}/v1/surfaces/home/recommend", asked)
        if answer["items"] and not answer["degraded"]:
            return answer
        time.sleep(_PAUSE_S)
    raise DemoFailed(f"smoke: no whole answer in {_TRIES} tries; the last one: {answer['degraded']}")


def _wait_until_logged(url: str, seq: int) -> None:
    """Wait for the impressions of a feed, which the server logs without letting the client wait."""
    for _ in range(_TRIES):
        if int(get(f"{url}/readyz")["last_seq"]) >= seq:
            return
        time.sleep(_PAUSE_S)
    raise DemoFailed(f"smoke: the impressions of the first feed are not in the log after {_TRIES} tries")


def _watch(url: str, watched: Sequence[Mapping[str, Any]]) -> None:
    events = [
        {"type": "watch", "user": VISITOR, "video": one["item"], "watch_s": _seconds(one)} for one in watched
    ]
    results = post(f"{url}/v1/events", {"events": events})["results"]
    _check([one["status"] for one in results] == ["accepted"] * len(events), f"the log answered {results}")


def _seconds(slot: Mapping[str, Any]) -> float:
    return round(_WATCHED_SHARE * float(slot["attributes"]["duration_s"] or 0.0), 1)


def _title(slot: Mapping[str, Any]) -> str:
    return f"“{slot['attributes']['title']}”"


def _num_new(before: Feed, after: Feed) -> int:
    """Count items that were chosen, not drawn for exploration, and were not in the feed before."""
    earlier = {one["item"] for one in before["items"]}
    return sum(one["item"] not in earlier and one["propensity"] == 1 for one in after["items"])


def _num_out(feed: Feed, stage: str) -> int:
    return sum(int(one["num_out"]) for one in feed["trace"]["stages"] if one["stage"] == stage)


def _check(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise DemoFailed(f"smoke: {otherwise}")
