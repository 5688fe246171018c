"""`shortlist recommend`: one answer on the terminal, with why each item is there."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shortlist.cli.client import post
from shortlist.cli.console import Steps, plain, say, show, table
from shortlist.cli.errors import UsageError
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

if TYPE_CHECKING:
    from rich.table import Table

    from shortlist.features.online import OnlineState
    from shortlist.releases import Release

_MOST_ATTRIBUTES = 3
_LONGEST_TEXT = 36

EXAMPLES = (
    "shortlist recommend u00012 --trace",
    "shortlist recommend u00012 --url http://127.0.0.1:8000",
)


def run(
    user: Annotated[str, typer.Argument(help="Whom to recommend for; anybody, known or not.")],
    surface: Annotated[str, typer.Option(help="Where it would be shown.")] = "home",
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, help="How many items.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Also print what each stage did.")] = False,
    url: Annotated[str, typer.Option(metavar="URL", help="Ask a running server instead.")] = "",
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Print a feed and why each item is in it: who proposed it, what the model expects, what was explored.

    The log is folded and the release loaded in this process; nothing is logged. With --url a running
    server is asked, as any client would ask it, but for a preview that logs no impression.
    """
    asked = {"user": user, "trace": trace, "attributes": True, "preview": True} | ({"k": k} if k else {})
    if url:
        answer = post(f"{url.rstrip('/')}/v1/surfaces/{surface}/recommend", asked)
    else:
        answer = _in_process(Project.load(app, data), user, surface, k)
    show(f"{surface} for {user}, release {answer['release'][:12]}", _table(answer["items"]))
    if trace:
        show(f"The funnel, {answer['trace']['elapsed_ms']:.1f} ms", _trace(answer["trace"]["stages"]))
    for reason in answer["degraded"]:
        say(f"[yellow]degraded: {plain(reason)}[/]")


def _in_process(project: Project, user: str, surface: str, k: int | None) -> dict[str, Any]:
    """Answer as the server would, without one."""
    from shortlist.log import now_us
    from shortlist.online.attributes import attributes_of
    from shortlist.pipeline.funnel import Funnel
    from shortlist.releases.artifacts import load_contents
    from shortlist.stages.contract import Query

    if surface not in project.app.surfaces:
        raise UsageError(
            f"--surface {surface}",
            expected=f"one of {', '.join(project.app.surfaces)}",
            received="another name",
            mend="shortlist check prints the surfaces.",
        )
    with Steps() as steps:
        release = _release(project)
        state = _state(project, steps)
        steps.begin("load the release")
        artifacts = load_contents(release.folder, project.app)[surface]
        funnel = Funnel.build(project.app, project.app.surfaces[surface], artifacts, state)
    query = Query(
        user=state.users.vocabulary.code(user),
        k=min(k or funnel.surface.k, funnel.surface.k),
        time_us=state.moment(now_us()),
        context={},
        seed=secrets.randbits(60),
        state=state,
    )
    answer = funnel.recommend(query, budget_ms=math.inf)  # it may compile: nobody waits but you
    items = [
        {
            "item": item,
            "position": position,
            "score": score,
            "score_parts": dict(zip(answer.labels, parts, strict=True)),
            "propensity": propensity,
            "sources": sources,
            "attributes": attributes,
        }
        for item, position, score, parts, propensity, sources, attributes in zip(
            state.items.vocabulary.texts(answer.items.tolist()),
            answer.positions.tolist(),
            answer.scores.tolist(),
            answer.parts.tolist(),
            answer.propensities.tolist(),
            answer.sources,
            attributes_of(state.items, answer.items),
            strict=True,
        )
    ]
    stages = [
        {"stage": one.stage, "role": one.role, "num_in": one.num_in, "num_out": one.num_out,
         "removed": one.removed, "elapsed_ms": one.elapsed_ms, "note": one.note}
        for one in answer.trace.stages
    ]  # fmt: skip
    trace = {"stages": stages, "elapsed_ms": answer.trace.elapsed_ms}
    return {"release": release.id, "items": items, "degraded": answer.degraded, "trace": trace}


def _state(project: Project, steps: Steps) -> OnlineState:
    from shortlist.features.online import OnlineState
    from shortlist.features.snapshot import SnapshotMismatch

    try:
        state = OnlineState.restore(project.app, project.data / "state")
    except SnapshotMismatch:
        state = OnlineState(project.app)
    with project.open_log() as log:
        steps.begin("fold the log")
        state.catch_up(log, steps.of("fold the log"))
    return state


def _release(project: Project) -> Release:
    current = project.registry().current()
    if current is None:
        raise UsageError(
            "release", expected="one that serves", received="none", mend="Train one: shortlist train."
        )
    return project.registry().open(current, project.app.fingerprint())


def _table(items: Sequence[dict[str, Any]]) -> Table:
    about = [
        name
        for name in (items[0]["attributes"] if items else {})
        if any(
            isinstance(one["attributes"][name], str) and not _is_time(one["attributes"][name])
            for one in items
        )
    ][:_MOST_ATTRIBUTES]
    parts = list(items[0]["score_parts"]) if items else []
    shown = table(">#", "item", *about, *(f">P({part})" for part in parts), ">score", "because of")
    for one in items:
        explored = f"explored: 1 in {1 / one['propensity']:.0f}" if one["propensity"] < 1 else ""
        score = one["score"]
        shown.add_row(
            str(one["position"]),
            plain(one["item"]),
            *(plain(str(one["attributes"][name] or "")[:_LONGEST_TEXT]) for name in about),
            *(f"{one['score_parts'][part]:.3f}" for part in parts),
            "" if score is None else f"{score:.3f}",
            ", ".join([*one["sources"], *filter(None, [explored])]),
        )
    return shown


def _trace(stages: Sequence[dict[str, Any]]) -> Table:
    shown = table("role", "stage", ">in", ">out", ">ms", "")
    for one in stages:
        removed = [f"{count} {reason}" for reason, count in one["removed"].items()]
        said = "; ".join(part for part in (*removed, one["note"]) if part)
        counts = [str(one["num_in"]), str(one["num_out"]), f"{one['elapsed_ms']:.2f}"]
        shown.add_row(one["role"], one["stage"], *counts, plain(said))
    return shown


def _is_time(text: str) -> bool:
    return text[:1].isdigit() and text.endswith("Z")
