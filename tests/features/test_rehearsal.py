"""After a rehearsal a state meets no new kernel; in a process of its own, for kernels stay compiled."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import shortlist as sl
from shortlist.declare.app import App


def declaration() -> App:
    app = sl.App("rehearsed")
    user = app.entity("user", country=str)
    video = app.entity("video", topic=str, published=sl.Time)
    watch = app.event("watch", user, video, watch_s=float)
    search = app.event("search", user, text=str)
    engaged = app.label("engaged", watch.watch_s > 30, within="30m")
    app.features(
        sl.count(watch, by=user, window=["1h", "1d"]),
        sl.count(watch, by=(user, video.topic), window="1d"),
        sl.mean(watch.watch_s, by=video, window="1d"),
        sl.rate(engaged, by=video, window="1d", prior=20),
        sl.recency(search, by=user),
        sl.last(watch, by=user, n=5),
        sl.age(video.published),
        user.country,
    )
    return app


def met_after_rehearsing(folder: Path) -> list[str]:
    """Rehearse, then do with a state what a server does; return the kernels that were met only then."""
    from numba.core.dispatcher import Dispatcher

    from shortlist.features.online import OnlineState
    from shortlist.features.rehearsal import rehearse
    from shortlist.features.schema import log_schemas
    from shortlist.log.columns import Batch, columns_from_records
    from shortlist.log.record import Record

    def met() -> set[tuple[str, object]]:
        modules = [module for name, module in sys.modules.items() if name.startswith("shortlist.features")]
        kernels = {id(one): one for module in modules for one in vars(module).values()}.values()
        return {
            (f"{one.__module__}.{one.__name__}", one_of)
            for one in kernels
            if isinstance(one, Dispatcher)
            for one_of in one.signatures
        }

    app = declaration()
    rehearse(app, folder)
    before = met()
    drawn, state = random.Random(1), OnlineState(app)
    for number in range(1, 400):
        seq, kinds = state.last_seq, {}
        for schema in log_schemas(app):
            seqs = range(seq + 1, seq + 1 + drawn.choice([1, 3, 20]))
            seq = seqs[-1]
            records = [
                Record(seq, 10**6 * seq, schema.kind, seq, None, some_fields(schema.fields, drawn))
                for seq in seqs
            ]
            kinds[schema.kind] = columns_from_records(schema, records)
        if number % 2:
            state.apply(Batch(state.last_seq + 1, seq, kinds))
        else:
            for kind, columns in kinds.items():
                state.apply(Batch(int(columns.seq[0]), int(columns.seq[-1]), {kind: columns}))
        if number % 100 == 0:
            state.release()
            state.snapshot(folder)
            state = OnlineState.restore(app, folder)
    return sorted({name for name, _ in met() - before})


def some_fields(types: dict[str, str], drawn: random.Random) -> dict[str, object]:
    def value(type_: str) -> object:
        number = drawn.randrange(300)
        return {"str": f"n{number}", "floats": [1.0] * (number % 3), "bool": number > 150}.get(type_, number)

    return {
        name: value(type_)
        for name, type_ in types.items()
        if name in ("user", "video") or drawn.random() < 0.8
    }


def test_a_rehearsed_state_waits_for_no_compiler(tmp_path: Path) -> None:
    code = f"from test_rehearsal import *; print(met_after_rehearsing(Path({str(tmp_path)!r})))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")
