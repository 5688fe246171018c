"""Latency of recommend over HTTP at a steady rate, and where the time goes.

Usage: serve_latency.py [--rate RPS] [--seconds S] [--data FOLDER]. Without a folder a simulated platform is
built, trained and served. The load is that of `shortlist load`: requests leave on schedule whether or not
earlier ones are back. For every fifth request an event is sent beside, so the log commits and the state
moves meanwhile.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from shortlist.cli.load_sheet import print_run
from shortlist.cli.load_source import Source
from shortlist.cli.project import Project
from shortlist.load.connection import Address
from shortlist.load.measure import Load
from shortlist.load.report import Report
from shortlist.load.session import Asked, run_session

SURFACE = "home"
NUM_CONNECTIONS = 64
WARM_UP_S = 3.0
EVENTS_PER_REQUEST = 0.2


def build(folder: Path) -> None:
    """Simulate a platform's past, import it, fit the surface's models, publish them."""
    import shortlist as sl
    from shortlist.features.offline import History
    from shortlist.features.schema import log_schemas
    from shortlist.log.sqlite import SqliteLog
    from shortlist.models.contract import Examples, FeatureColumn
    from shortlist.models.retrieval import Interactions
    from shortlist.pipeline.artifacts import FunnelArtifacts
    from shortlist.recipes.video.app import app, engaged, liked
    from shortlist.recipes.video.simulated import history_sources
    from shortlist.releases import BundleWriter, DataRange, Metadata, Registry
    from shortlist.releases.artifacts import save_contents
    from shortlist.world import World, WorldConfig

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    world = World(WorldConfig(start=midnight - timedelta(days=14)))
    with SqliteLog(folder / "log", log_schemas(app)) as log:
        print(log.import_history(history_sources(world.history())))
        history = History.read(app, log)
    watched = history.events(engaged)
    interactions = Interactions(
        watched.ids["user"].astype(np.int32), watched.ids["video"].astype(np.int32), watched.times_us,
        np.ones(len(watched), np.float32), len(history.users), len(history.items),
    )  # fmt: skip
    requests = history.impression_requests()
    encoding = history.fit_encoding(requests)
    features = history.features(requests, encoding)
    columns = tuple(
        FeatureColumn(name, name in encoding.categories, len(encoding.categories.get(name, ())))
        for name in encoding.names
    )
    rankers = {}
    for label in (engaged, liked):
        outcomes = history.outcomes(label)
        rows = outcomes.mature
        examples = Examples(features[rows], columns, outcomes.positive[rows], requests.users[rows])
        rankers[label.label_name] = sl.BoostedTrees(num_trees=200).fit(examples, None)
    popularity = sl.Popularity().fit(interactions)
    retrieval = {
        place: source.model.fit(interactions)
        for place, source in enumerate(app.surfaces["home"].sources)
        if source.model is not None
    }
    artifacts = FunnelArtifacts(history.items.texts(), popularity, retrieval, rankers, encoding)
    with BundleWriter(folder / "releases") as bundle:
        save_contents(bundle.folder, {"home": artifacts})
        span = DataRange(first_us=0, last_us=history.last_log_time_us, num_examples=len(features))
        release = bundle.commit(
            Metadata(
                app=app.name, fingerprint=app.fingerprint(), as_of_seq=history.last_seq, data=span,
                features=(), stages={}, p99_ms={}, metrics={}, sections={},
            )
        )  # fmt: skip
    Registry(folder / "releases").promote(release)


def drive(data: Path, url: str, rate: float, seconds: float) -> Report:
    """Drive the server as `shortlist load` does, with an event for every fifth request."""
    from shortlist.recipes.video.app import app

    source = Source.of(Project(app, data), None, unknown=0.05, needs_events=True)
    address = Address.of(url)
    requests = source.requests(address, SURFACE, is_preview=False, seed=1)
    load = Load(seconds, WARM_UP_S, "constant", EVENTS_PER_REQUEST, num_connections=NUM_CONNECTIONS)
    slo_p99_ms = app.surfaces[SURFACE].slo.p99_ms
    return run_session(address, SURFACE, slo_p99_ms, requests, load, Asked(rate_rps=rate))


def stage_means(metrics: str) -> dict[str, float]:
    """Mean milliseconds of each stage, from the server's own histograms."""
    sums = dict(re.findall(r'stage_milliseconds_sum\{stage="([^"]+)",surface="home"\} (\S+)', metrics))
    counts = dict(re.findall(r'stage_milliseconds_count\{stage="([^"]+)",surface="home"\} (\S+)', metrics))
    return {stage: float(sums[stage]) / float(counts[stage]) for stage in sums}


def server_mean_ms(metrics: str) -> float:
    """Mean milliseconds from the whole request to the answer written, inside the server."""
    route = r'\{route="POST /v1/surfaces/\{name\}/recommend"\} (\S+)'
    total, count = (re.search(rf"request_seconds_{part}{route}", metrics)[1] for part in ("sum", "count"))
    return 1000 * float(total) / float(count)


def report(driven: Report, metrics: str) -> None:
    """Print the figures."""
    for run in driven.runs:
        print_run(run, driven.release)
    stages = stage_means(metrics)
    print("mean ms of each stage (sources side by side), then inside the server:")
    for stage, mean in sorted(stages.items(), key=lambda one: -one[1]):
        print(f"  {stage:40} {mean:7.3f}")
    print(f"  {'request inside the server':40} {server_mean_ms(metrics):7.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        from shortlist.online.server import serve
        from shortlist.recipes.video.app import app

        serve(app, asked.data, port=0, ready=lambda url: print(url, flush=True))
        return
    with tempfile.TemporaryDirectory() as made:
        data = asked.data or Path(made)
        if asked.data is None:
            started_s = time.perf_counter()
            build(data)
            print(f"built in {time.perf_counter() - started_s:.1f} s")
        command = [sys.executable, __file__, "--serve", "--data", str(data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            url = server.stdout.readline().strip()
            driven = drive(data, url, asked.rate, asked.seconds)
            metrics = urlopen(f"{url}/metrics").read().decode()
            server.terminate()
    report(driven, metrics)


if __name__ == "__main__":
    main()
