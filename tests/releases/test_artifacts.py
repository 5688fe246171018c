"""What a release holds comes back as it was put in, or is refused; no training library is needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

import shortlist as sl
from shortlist.declare.app import App
from shortlist.features.encoders import Encoding
from shortlist.features.plan import make_plan
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.models.errors import ModelFileError
from shortlist.models.retrieval import Interactions
from shortlist.models.segment_popularity import FittedSegmentPopularity
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.releases import ReleaseCorrupted, ReleaseForeign
from shortlist.releases.artifacts import load_contents, save_contents
from shortlist.releases.item_ids import ItemIds

TESTS = Path(__file__).resolve().parents[1]
NUM_ITEMS = 30


def declare() -> App:
    app = sl.App("video")
    user = app.entity("user", country=str)
    video = app.entity("video", topic=str)
    watch = app.event("watch", user, video)
    watched = app.label("watched", watch, within="1h")
    app.features(sl.count(watch, by=user, window="1h"), video.topic, user.country)
    app.surface(
        "home",
        sources=[sl.Popular(n=10), sl.ItemToItem(n=10)],
        ranker=sl.BoostedTrees(),
        value={watched: 1.0},
        segment=user.country,
    )
    app.surface("plain", sources=[sl.Popular(n=10)])
    return app


@pytest.fixture(scope="module")
def app() -> App:
    return declare()


@pytest.fixture(scope="module")
def surfaces(app) -> dict[str, FunnelArtifacts]:
    random = np.random.default_rng(3)
    users, items = random.integers(20, size=400), random.integers(NUM_ITEMS, size=400)
    interactions = Interactions(
        users.astype(np.int32),
        items.astype(np.int32),
        np.arange(400),
        np.ones(400, np.float32),
        20,
        NUM_ITEMS,
    )
    popularity = sl.Popularity().fit(interactions)
    encoding = Encoding(make_plan(app).names, {"video.topic": ["t1", "t2"], "user.country": ["é"]})
    columns = tuple(FeatureColumn(name, name != encoding.names[0], 3) for name in encoding.names)
    features = random.integers(2, size=(400, 3)).astype(np.float32)
    ranker = sl.BoostedTrees(num_trees=3, min_leaf=10).fit(
        Examples(features, columns, features[:, 0].copy(), users), None
    )
    ids = [f"v{number}" for number in range(NUM_ITEMS)]
    co_visitation = sl.CoVisitation().fit(interactions)
    return {
        "home": FunnelArtifacts(
            ids,
            popularity,
            {0: popularity, 1: co_visitation},
            {"watched": ranker},
            encoding,
            FittedSegmentPopularity(("é", "NL"), np.array([[3, 1, 2], [7, -1, -1]], np.int32), NUM_ITEMS),
        ),
        "plain": FunnelArtifacts(ids, popularity, {0: popularity}, {}, encoding),
    }


@pytest.fixture
def folder(surfaces, tmp_path) -> Path:
    save_contents(tmp_path, surfaces)
    return tmp_path


def test_what_is_saved_comes_back(app, surfaces, folder):
    loaded = load_contents(folder, app)
    assert loaded.keys() == surfaces.keys()
    before, after = surfaces["home"], loaded["home"]
    assert list(after.item_ids) == list(before.item_ids)
    assert np.array_equal(after.popularity.counts, before.popularity.counts)
    assert np.array_equal(after.retrieval[1].lists.items, before.retrieval[1].lists.items)
    features = np.random.default_rng(4).integers(3, size=(50, 3)).astype(np.float32)
    assert np.array_equal(
        after.rankers["watched"].predict(features), before.rankers["watched"].predict(features)
    )
    assert (after.encoding.names, after.encoding.categories) == (
        before.encoding.names,
        before.encoding.categories,
    )
    assert (loaded["plain"].retrieval.keys(), loaded["plain"].rankers) == ({0}, {})
    lists = {name: items.tolist() for name, items in after.segments.lists().items()}
    assert lists == {"é": [3, 1, 2], "NL": [7]}
    assert loaded["plain"].segments is None


def test_a_surface_without_segments_is_written_as_before_segments_were(folder):
    surfaces = msgspec.json.decode((folder / "contents.json").read_bytes())["surfaces"]
    assert list(surfaces["plain"]) == ["popularity", "sources", "rankers"]
    assert list(surfaces["home"]) == ["popularity", "sources", "rankers", "segments"]


def test_without_rankers_there_is_no_encoding(app, surfaces, tmp_path):
    bare = {name: replace(one, rankers={}, encoding=None) for name, one in surfaces.items()}
    save_contents(tmp_path, bare)
    assert not (tmp_path / "encoding.json").exists()
    assert load_contents(tmp_path, app)["home"].encoding is None


def test_the_same_artifacts_make_the_same_files(surfaces, folder, tmp_path_factory):
    again = tmp_path_factory.mktemp("again")
    save_contents(again, surfaces)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_a_release_of_fewer_surfaces_is_foreign(app, surfaces, tmp_path):
    save_contents(tmp_path, {"plain": surfaces["plain"]})
    with pytest.raises(ReleaseForeign, match="none for home"):
        load_contents(tmp_path, app)


def test_a_release_of_other_features_is_foreign(folder):
    app = sl.App("video")
    user, video = app.entity("user"), app.entity("video", topic=str)
    watch = app.event("watch", user, video)
    app.features(sl.count(watch, by=user, window="2h"), video.topic)
    app.surface("home", sources=[sl.Popular(n=10)])
    with pytest.raises(ReleaseForeign, match="the 2 features of video"):
        load_contents(folder, app)


def changed(folder: Path, change) -> None:
    """Rewrite contents.json."""
    path = folder / "contents.json"
    contents = msgspec.json.decode(path.read_bytes())
    change(contents["surfaces"]["home"])
    path.write_bytes(msgspec.json.encode(contents))


def test_a_model_of_a_kind_nobody_knows_is_refused(app, folder):
    changed(folder, lambda home: home["sources"]["1"].update(kind="telepathy"))
    with pytest.raises(ModelFileError, match="telepathy"):
        load_contents(folder, app)


@pytest.mark.parametrize("path", ["../elsewhere", "/tmp/elsewhere", "surfaces/../../elsewhere"])
@pytest.mark.parametrize("model", [lambda home: home["sources"]["1"], lambda home: home["segments"]])
def test_a_model_outside_the_release_is_refused(app, folder, path, model):
    changed(folder, lambda home: model(home).update(path=path))
    with pytest.raises(ReleaseCorrupted, match="models inside the release"):
        load_contents(folder, app)


def test_a_model_in_the_wrong_role_is_refused(app, folder):
    changed(folder, lambda home: home["sources"].update({"1": home["rankers"]["watched"]}))
    with pytest.raises(ReleaseCorrupted, match="FittedRetrieval"):
        load_contents(folder, app)


def test_a_popularity_of_other_items_is_refused(app, folder):
    ItemIds.of(["v1"]).save(folder)
    with pytest.raises(ReleaseCorrupted, match="popularity of 1 items"):
        load_contents(folder, app)


def test_lists_of_segments_of_other_items_are_refused(app, surfaces, tmp_path):
    other = FittedSegmentPopularity((), np.empty((0, 0), np.int32), 7)
    save_contents(tmp_path, {**surfaces, "home": replace(surfaces["home"], segments=other)})
    with pytest.raises(ReleaseCorrupted, match=r"lists of 30 items.*of 7"):
        load_contents(tmp_path, app)


def test_a_source_of_other_items_is_refused(app, surfaces, tmp_path):
    few = np.zeros(7, np.int32)
    log = Interactions(few, np.arange(7, dtype=np.int32), np.arange(7), np.ones(7, np.float32), 1, 7)
    home = surfaces["home"]
    retrieval = {**home.retrieval, 1: sl.CoVisitation().fit(log)}
    save_contents(tmp_path, {**surfaces, "home": replace(home, retrieval=retrieval)})
    with pytest.raises(ReleaseCorrupted, match=r"a co_visitation of 30 items.*one of 7"):
        load_contents(tmp_path, app)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:7])])
def test_a_missing_or_torn_file_is_seen(app, surfaces, folder, tmp_path_factory, harm):
    for path in sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()):
        harmed = tmp_path_factory.mktemp("harmed")
        save_contents(harmed, surfaces)
        harm(harmed / path)
        with pytest.raises((ReleaseCorrupted, ModelFileError)):
            load_contents(harmed, app)


def test_loading_needs_no_training_library(folder):
    program = (
        "import sys; sys.modules.update(lightgbm=None)\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "from pathlib import Path; from releases.test_artifacts import declare\n"
        "from shortlist.releases.artifacts import load_contents\n"
        f"assert load_contents(Path({str(folder)!r}), declare())['home'].rankers\n"
        "assert not any(name.startswith('scipy.s') for name in sys.modules)\n"  # numba asks its version
    )
    subprocess.run([sys.executable, "-c", program], check=True)
