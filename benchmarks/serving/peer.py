"""Figure 2: the same work as people write it today, and how many requests each bears.

Each server has one core, and the generator has the others: how well either spreads over cores is not asked.
"""

from __future__ import annotations

import os

from serving.app import SURFACE, K
from serving.bench import Bench, ms
from serving.catalogue import Catalogue
from serving.driving import Driven, highest_rate, our_requests, peer_requests, some_users
from serving.hosting import Hosted, our_server, peer_server

TITLE = "The same work in glue: FastAPI, pandas, LightGBM's predict, a flat index, dicts"
MINUTES = 6.0
P99_MS = 50.0
AT_LEAST = 10.0
_NUM_COMPARED = 50


def show(bench: Bench) -> None:
    """Measure and print."""
    built = bench.built()
    users = some_users(built)[:_NUM_COMPARED]
    all_cores = os.sched_getaffinity(0)
    core = min(all_cores)
    os.sched_setaffinity(0, all_cores - {core} or all_cores)
    try:
        _compare(bench, built, users, core)
    finally:
        os.sched_setaffinity(0, all_cores)


def _compare(bench: Bench, built: Catalogue, users: list[str], core: int) -> None:
    with our_server(built, more={"SERVING_P99_MS": f"{P99_MS:g}"}, core=core) as (hosted, _):
        our_slates = [
            _slate(hosted, f"/v1/surfaces/{SURFACE}/recommend", {"user": user, "preview": True})
            for user in users
        ]
        ours = highest_rate(hosted, our_requests(built, hosted), P99_MS, start=80)
        our_memory = hosted.memory()
    with peer_server(built, core=core) as hosted:
        their_slates = [_slate(hosted, "/recommend", {"user": user}) for user in users]
        theirs = highest_rate(hosted, peer_requests(built, hosted), P99_MS, start=10)
        their_memory = hosted.memory()
    num_shared = [len(ours & theirs) for ours, theirs in zip(our_slates, their_slates, strict=True)]
    ratio = ours.rate / theirs.rate if ours and theirs else float("nan")
    bench.table(
        f"2. {TITLE}: {built.num_items:,} clips, one core for each",
        ("", "ours", "theirs", "ratio", "at least"),
        [
            (f"highest rate with p99 <= {P99_MS:g} ms", _rate(ours), _rate(theirs), f"{ratio:.1f}", AT_LEAST),
            ("p50 at that rate", _p(ours, 0.5), _p(theirs, 0.5), "", ""),
            ("p99 at that rate", _p(ours, 0.99), _p(theirs, 0.99), "", ""),
            ("CPU for a request", _cpu(ours), _cpu(theirs), _over(theirs, ours), ""),
            ("candidates at most", f"{ours.width:,.0f}" if ours else "-", "all", "", ""),
            ("memory (PSS)", f"{our_memory.pss_mb:,.0f} MB", f"{their_memory.pss_mb:,.0f} MB", "", ""),
        ],
    )
    bench.say_if_late(ours, theirs)
    bench.console.print(
        f"   Both answer {K} clips; {sum(num_shared) / len(users):.1f} of them are the same, on average over "
        f"{len(users)} people; two of each are drawn at random. Theirs logs nothing and takes no events.\n"
    )


def _slate(hosted: Hosted, path: str, body: dict[str, object]) -> set[str]:
    """Ask once, and insist on a whole slate without repetitions."""
    status, answer = hosted.post(path, body)
    items = answer.get("items")
    assert status == 200, f"{path} answered {status}: {answer}"
    assert isinstance(items, list)
    slate = {one["item"] for one in items}
    assert len(items) == len(slate) == K, f"{path} answered {len(items)} clips, {len(slate)} of them distinct"
    return slate


def _rate(driven: Driven | None) -> str:
    return "none" if driven is None else f"{driven.rate:,.0f} rps"


def _p(driven: Driven | None, q: float) -> str:
    return "-" if driven is None else ms(driven.tally.quantile(q))


def _cpu(driven: Driven | None) -> str:
    return "-" if driven is None else ms(driven.cpu_ms)


def _over(one: Driven | None, other: Driven | None) -> str:
    return f"{one.cpu_ms / other.cpu_ms:.1f}" if one and other else "-"
