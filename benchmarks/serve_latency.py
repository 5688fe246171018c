"""Latency of recommend over HTTP at a steady rate, and where the time goes.

Usage: serve_latency.py [--rate RPS] [--seconds S] [--data FOLDER]. Without a folder a simulated platform is
built, trained and served. The load is open: requests leave on schedule whether or not earlier ones are
back, and a latency counts from the moment a request should have left (no coordinated omission). Every
fifth request is followed by a watch event, so the log commits and the state moves meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import numpy as np

NUM_CONNECTIONS = 64
WARM_UP_S = 3.0


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


class Connection:
    """One HTTP/1.1 connection, as thin as it gets: the client must not be what is measured."""

    @classmethod
    async def open(cls, host: str, port: int) -> Connection:
        """Connect."""
        self = cls()
        self._reader, self._writer = await asyncio.open_connection(host, port)
        return self

    async def post(self, path: str, body: dict[str, object]) -> tuple[int, bytes]:
        """Send a request and read the whole answer."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        self._writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", answer)[1])
        return int(answer[9:12]), await self._reader.readexactly(length)


async def drive(url: str, rate: float, seconds: float) -> list[tuple[float, int, bool]]:
    """Send on schedule; return (latency in ms, status, degraded) of each request after the warm-up."""
    host, port = url.removeprefix("http://").split(":")
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(NUM_CONNECTIONS):
        free.put_nowait(await Connection.open(host, int(port)))
    measured: list[tuple[float, int, bool]] = []
    chosen = random.Random(1)
    start_s = time.perf_counter()

    async def one(number: int, due_s: float) -> None:
        connection = await free.get()
        user = f"u{chosen.randrange(2000)}"
        status, body = await connection.post("/v1/surfaces/home/recommend", {"user": user})
        elapsed_ms = 1000 * (time.perf_counter() - due_s)
        answer = json.loads(body)
        if due_s - start_s > WARM_UP_S:
            measured.append((elapsed_ms, status, bool(answer.get("degraded"))))
        if number % 5 == 0 and status == 200 and answer["items"]:
            event = {"type": "watch", "user": user, "video": answer["items"][0]["item"], "watch_s": 9.5}
            await connection.post("/v1/events", event)
        free.put_nowait(connection)

    tasks = []
    for number in range(int(rate * (seconds + WARM_UP_S))):
        due_s = start_s + number / rate
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number, due_s)))
    await asyncio.gather(*tasks)
    return measured


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


def report(measured: list[tuple[float, int, bool]], metrics: str) -> None:
    """Print the figures."""
    latency_ms = np.array([one[0] for one in measured])
    statuses = {status: sum(one[1] == status for one in measured) for status in {one[1] for one in measured}}
    p50, p99, p999 = np.percentile(latency_ms, [50, 99, 99.9])
    print(f"{len(measured)} requests, statuses {statuses}, degraded {sum(one[2] for one in measured)}")
    print(f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, p99.9 {p999:.2f} ms, max {latency_ms.max():.2f} ms")
    stages = stage_means(metrics)
    inside = server_mean_ms(metrics)
    print("mean ms of each stage (sources side by side), then inside the server, then at the client:")
    for stage, mean in sorted(stages.items(), key=lambda one: -one[1]):
        print(f"  {stage:40} {mean:7.3f}")
    print(f"  {'request inside the server':40} {inside:7.3f}")
    print(f"  {'request at the client':40} {latency_ms.mean():7.3f}")


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
            measured = asyncio.run(drive(url, asked.rate, asked.seconds))
            metrics = urlopen(f"{url}/metrics").read().decode()
            server.terminate()
    report(measured, metrics)


if __name__ == "__main__":
    main()
