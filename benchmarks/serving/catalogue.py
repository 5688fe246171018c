"""Build the data folder of a synthetic catalogue, once: its log, its state, and a release that serves it.

    python benchmarks/serving/catalogue.py [--items 1000000] [--data build/serving-1000000]

The folder is what `shortlist serve --app benchmarks/serving/app.py --data FOLDER` takes. Next to it lies what
the log and the vectors were imported from, for those who do the same work with other tools.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

import shortlist as sl
from serving.app import SURFACE, app
from serving.synthetic import DAY_US, DAYS, Size, draw_clips, write_clips, write_people
from shortlist.features.encoders import Encoding
from shortlist.features.offline import History
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log import SqliteLog
from shortlist.log.history import HistorySource
from shortlist.models.boosted_trees import FittedBoostedTrees
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.offline.progress import Steps
from shortlist.offline.publish import write_release
from shortlist.offline.sources import fit_sources
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.releases import DataRange, Registry
from shortlist.releases.manifest import FORMAT as RELEASE_FORMAT

_FORMAT = 1  # of the folder; raise it when a folder built before no longer fits
_EXAMPLES = 120_000
_ABOUT = "built.json"


@dataclass(frozen=True)
class Catalogue:
    """A folder that was built.

    Attributes:
        folder: log/, state/, releases/, and the Parquet files they were made of.
        num_items: clips.
        num_users: people, u0 to u<num_users - 1>.
        num_records: in the log.
        build_s: seconds the build took.
    """

    folder: Path
    num_items: int
    num_users: int
    num_records: int
    build_s: float


def catalogue(folder: Path, num_items: int, console: Console) -> Catalogue:
    """Return the catalogue of a folder, building it when it is not there or is another's."""
    wanted = [_FORMAT, RELEASE_FORMAT, app.fingerprint(), num_items]
    about = folder / _ABOUT
    if about.exists():
        found = json.loads(about.read_text())
        if found.pop("of") == wanted:
            return Catalogue(folder, **found)
        console.print(f"{folder} was built for another size or declaration: building it again")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started_s = time.perf_counter()
    size = Size(num_items)
    console.print(f"building {num_items:,} clips in {folder}: about {_expected_s(num_items):.0f} s, once")
    num_records = _build(folder, size, console)
    built = Catalogue(folder, num_items, size.num_users, num_records, time.perf_counter() - started_s)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    console.print(f"{built.build_s:6.1f} s  in all; peak memory {peak_gb:.1f} GB")
    kept = {name: value for name, value in asdict(built).items() if name != "folder"}
    about.write_text(json.dumps({"of": wanted, **kept}))
    return built


def _expected_s(num_items: int) -> float:
    return 50 + num_items / 20_000


def _build(folder: Path, size: Size, console: Console) -> int:
    timed = _Timed(console)
    random = np.random.default_rng(7)
    now_us = int(time.time()) // 3600 * 3_600_000_000
    start_us = now_us - DAYS * DAY_US
    with timed("draw the clips and the people"):
        clips = draw_clips(size, random)
        write_clips(clips, folder, start_us, random)
        write_people(clips, size, folder, start_us, random)
        del clips
    with SqliteLog(folder / "log", log_schemas(app)) as log:
        with timed("import them into the log"):
            report = log.import_history(_sources(folder))
            assert report.num_imported == report.num_rows, report
        with timed("fold the log into the state"):
            state = OnlineState(app)
            state.catch_up(log)
            state.snapshot(folder / "state")
            del state
        with timed("read the log"):
            history = History.read(app, log)
    with timed("compute the features of past requests"):
        examples, encoding = _examples(history, random)
    with timed("grow 300 trees of 63 leaves"):
        ranker = _grow(examples)
    with chdir(folder):  # the declaration names vectors.parquet of this folder
        steps = Steps()
        sources = fit_sources(history, app.surfaces[SURFACE], seed=0, steps=steps)
    for name, seconds in steps.seconds.items():
        console.print(f"{seconds:6.1f} s  {name}")
    with timed("write and promote the release"):
        artifacts = FunnelArtifacts(
            history.items.texts(), sources.popularity, sources.retrieval, {"engaged": ranker}, encoding
        )
        registry = Registry(folder / "releases")
        data = DataRange(
            first_us=start_us, last_us=history.last_log_time_us, num_examples=len(examples.labels)
        )
        release = write_release(
            app, registry, {SURFACE: artifacts}, (), data, None, None, as_of_seq=history.last_seq, seed=0
        )
        registry.promote(release, expected_fingerprint=app.fingerprint())
    return history.last_seq


def _sources(folder: Path) -> list[HistorySource]:
    """Say which column of the Parquet files is which field; attributes are known from the first moment."""
    schema = app.log_schema()
    sources = []
    for kind, file, time_column in (
        ("clip", "clips", "known_us"),
        ("user", "users", "known_us"),
        ("impression", "impression", "time_us"),
        ("watch", "watch", "time_us"),
        ("like", "like", "time_us"),
    ):
        names = ("user", "clip") if kind == "impression" else tuple(schema[kind])
        fields = {name: name for name in names}
        sources.append(HistorySource(kind, folder / f"{file}.parquet", fields, time_column))
    return sources


def _examples(history: History, random: np.random.Generator) -> tuple[Examples, Encoding]:
    """Compute the features of a sample of the impressions, each as of its moment, and their outcomes."""
    outcomes = history.outcomes(app.labels["engaged"])
    mature = np.flatnonzero(outcomes.mature)
    rows = np.sort(random.choice(mature, min(_EXAMPLES, len(mature)), replace=False))
    requests = history.impression_requests().take(rows)
    encoding = history.fit_encoding(requests)
    features = history.features(requests, encoding)
    columns = tuple(
        FeatureColumn(name, name in encoding.categories, len(encoding.categories.get(name, ())))
        for name in encoding.names
    )
    return Examples(features, columns, outcomes.positive[rows], requests.users), encoding


def _grow(examples: Examples) -> FittedBoostedTrees:
    """Grow all the trees that the surface declares: nothing is held out, so nothing stops them early."""
    ladder = app.surfaces[SURFACE].ladder
    assert ladder is not None
    (definition,) = ladder.rungs
    assert isinstance(definition, sl.BoostedTrees)
    return definition.fit(examples, None)


class _Timed:
    """Prints how long each step took."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time a step."""
        started_s = time.perf_counter()
        yield
        self._console.print(f"{time.perf_counter() - started_s:6.1f} s  {step}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    data = asked.data or Path("build") / f"serving-{asked.items}"
    print(catalogue(data, asked.items, Console(width=120)))


if __name__ == "__main__":
    main()
