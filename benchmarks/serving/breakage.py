"""Figure 7: a source that hangs, one that throws, a ranker that is slow, a release that is damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path

from serving.app import P99_MS
from serving.bench import Bench, counted, ms
from serving.driving import Driven, our_requests, steady
from serving.hosting import scratch, served
from serving.twins import damage, twin
from shortlist.cli.project import load_app
from shortlist.releases import Registry
from shortlist.releases.errors import ReleaseError
from shortlist.releases.layout import Layout
from shortlist.releases.pointer import read_pointer, write_pointer

TITLE = "What breaks"
MINUTES = 2.5
_APP = Path(__file__).with_name("broken.py")
_RATE_RPS, _SECONDS = 20.0, 12.0


def show(bench: Bench) -> None:
    """Measure and print."""
    built = bench.built()
    rows, runs = [], []
    with tempfile.TemporaryDirectory() as made, scratch(built) as data:
        faults = Path(made)
        environment = {"SERVING_FAULTS": str(faults)}
        registry = Registry(data / "releases")
        registry.promote(twin(registry, "broken", _fingerprint(environment)))
        with served(built, data, app=_APP, more=environment) as hosted:
            requests = our_requests(built, hosted)

            def drive(name: str) -> None:
                runs.append(steady(hosted, requests, _RATE_RPS, _SECONDS))
                rows.append(_row(name, runs[-1]))

            drive("nothing")
            for fault, name in (
                ("hang", "a source hangs for 5 s"),
                ("throw", "a source throws"),
                ("slow", "the ranker takes 50 ms longer"),
            ):
                (faults / fault).touch()
                drive(name)
                (faults / fault).unlink()
            refusal = _promote_damaged(registry)
            drive("a damaged release is current")
            is_refused = 'release_loads_total{result="refused"}' in hosted.get("/metrics")
            registry.rollback()
            drive("nothing any more")
    bench.table(
        f"7. {TITLE}: {built.num_items:,} clips, {_RATE_RPS:g} rps, a budget of {P99_MS:g} ms",
        ("broken", "statuses", "without an answer", "p50", "p99", "degraded", "why"), rows,
    )  # fmt: skip
    bench.say_if_late(*runs)
    bench.console.print(
        f"   To promote the damaged release was refused: {refusal}\n"
        f"   Made current behind the registry's back, the server {'refused' if is_refused else 'TOOK'} it.\n"
    )


def _fingerprint(environment: dict[str, str]) -> str:
    """Return the fingerprint of the declaration that breaks; it is run in this process, and not served."""
    import os

    os.environ.update(environment)
    return load_app(_APP).fingerprint()


def _promote_damaged(registry: Registry) -> str:
    """Damage a twin, try to promote it, then make it current past all checks; return the refusal."""
    id = twin(registry, "damaged")
    layout = Layout(registry.folder)
    damage(layout.release(id))
    refusal = ""
    try:
        registry.promote(id)
    except ReleaseError as error:
        refusal = str(error).replace(str(layout.release(id)), "")
    assert refusal, "a damaged release was promoted"
    write_pointer(layout.pointer, read_pointer(layout.pointer).promoted(id))
    return refusal


def _row(name: str, driven: Driven) -> tuple[str, ...]:
    tally = driven.tally
    return (
        name,
        counted(tally.statuses),
        counted(tally.failures),
        ms(tally.quantile(0.5)),
        ms(tally.quantile(0.99)),
        f"{tally.share_degraded():.1%}",
        counted(dict(tally.reasons.most_common(4))),
    )
