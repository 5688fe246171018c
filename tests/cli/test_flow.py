"""From a world to a feed: train, compare, look at releases and move between them, recommend."""

from __future__ import annotations

import json

import pytest

from cli.tiny import shortlist as run
from shortlist.cli.project import Project


def releases(project: Project) -> list[str]:
    return [info.id for info in project.registry().list()]


def listed(text: str, column: int) -> list[str]:
    """The cells of one column of a feed, from the lines that begin with a place."""
    rows = [line.split() for line in text.splitlines()]
    return [row[column] for row in rows if len(row) > 1 and row[0].isdigit() and row[1].startswith("v0")]


def test_train_prints_the_comparison_and_publishes(project):
    said = " ".join(run("train").output.split())
    assert "how well each model predicts, on held-out time" in said
    for name in ("engaged", "liked", "Logistic", "BoostedTrees", "log loss", "chosen", "value per item"):
        assert name in said
    current = Project.load().registry().current()
    assert f"Release {current[:12]} serves" in said


def test_train_without_promotion_leaves_the_old_one_serving(project):
    before = Project.load().registry().current()
    path = project / "app.py"
    path.write_text(path.read_text().replace("n=200), sl.Fresh", "n=150), sl.Fresh"))
    said = run("train", "--no-promote").output
    loaded = Project.load()
    assert loaded.registry().current() == before
    (new,) = set(releases(loaded)) - {before}
    assert f"shortlist releases promote {new[:12]}" in said

    assert "serves now" in run("releases", "promote", new[:8]).output
    assert loaded.registry().current() == new
    assert "serves again" in run("releases", "rollback").output
    assert loaded.registry().current() == before
    first = next(line for line in run("releases").output.splitlines() if "serves" in line)
    assert before[:12] in first


def test_train_without_history_names_the_mend(folder):
    run("init")
    assert "shortlist world, or shortlist import" in run("train", status=2).output


def test_backtest_publishes_nothing_and_writes_json(project):
    before = releases(Project.load())
    said = " ".join(run("backtest", "--requests", "60", "--json", "figures.json").output.split())
    assert "Learned from" in said
    assert "BoostedTrees" in said
    for name in ("how much of what people then chose", "ItemToItem", "union", "NotSeen", "sources' order"):
        assert name in said
    assert "60 moments of" in said
    assert releases(Project.load()) == before
    (fold,) = json.loads((project / "figures.json").read_text())["folds"]
    models = fold["surfaces"][0]["labels"]["engaged"]
    assert {"Rate", "Logistic", "BoostedTrees"} <= set(models["models"])
    (funnel,) = fold["funnels"]
    assert set(funnel["sources"]) == {"ItemToItem", "Popular", "Fresh"}
    best = max(source["recall"][0] for source in funnel["sources"].values())
    assert best <= funnel["union_recall"][0] <= 1
    assert [order["name"] for order in funnel["orders"]][:2] == ["sources' order", "ranker"]


def test_a_backtest_leaves_something_to_learn_from_with_many_folds(project):
    said = run("backtest", "--folds", "5", "--requests", "0").output
    assert said.count("Learned from") == 5
    assert "union" not in said, "no replay was asked for"


def test_ladder_prints_and_writes_the_sheet_and_publishes(project):
    said = " ".join(
        run("ladder", "--requests", "100", "--json", "sheet.json", "--markdown", "sheet.md").output.split()
    )
    for name in (
        "home: rungs for engaged",
        "the rest of 12.5 ms",
        "RAM MB",
        "chosen",
        "home: sources",
        "Fresh",
    ):
        assert name in said
    current = Project.load().registry().current()
    assert f"Release {current[:12]} serves" in said
    figures = json.loads((project / "sheet.json").read_text())
    assert [part["label"] for part in figures["parts"]] == ["engaged", "liked", None]
    markdown = (project / "sheet.md").read_text()
    assert markdown.startswith("# video: trade-offs\n\n### home: rungs for engaged")
    assert figures["markdown"] in markdown
    assert "Trade-offs" in run("releases", "show", current[:8]).output


def test_ladder_without_moments_judges_no_source(project):
    said = run("ladder", "--requests", "0", "--no-promote").output
    assert "home: rungs for engaged" in said
    assert "sources, on held-out time" not in said


def test_a_release_is_shown_and_verified(project):
    (id,) = releases(Project.load())
    assert f"release {id}" in run("releases", "show", id[:6]).output
    assert f"{id[:12]}  sound" in run("releases", "verify").output
    manifest = next((project / ".shortlist" / "releases").rglob("*.npy"))
    manifest.write_bytes(manifest.read_bytes()[:-1] + b"!")
    said = run("releases", "verify", status=2).output
    assert f"{id[:12]}  damaged" in said
    assert "sha256" in said


def test_no_release_yet(folder):
    run("init")
    assert "shortlist train" in run("releases").output
    assert "expected an id" in run("releases", "show", "abc", status=2).output
    assert "Train one: shortlist train" in run("recommend", "u00001", status=2).output


def test_recommend_tells_why(project, monkeypatch):
    monkeypatch.setattr("shortlist.cli.console._WIDTH_OF_A_PIPE", 250)  # a narrow cell would break the text
    said = run("recommend", "u00001", "-k", "8", "--trace").output
    assert listed(said, 0) == [str(place) for place in range(1, 9)]
    assert len(set(listed(said, 1))) == 8
    assert "P(engaged)" in said
    assert "explored: 1 in" in said
    assert {"ItemToItem", "NotSeen", "AtMost"} <= set(said.split())
    again = run("recommend", "u00001", "-k", "8").output
    assert "The funnel" not in again


def test_recommend_logs_nothing(project):
    loaded = Project.load()
    with loaded.open_log() as log:
        before = log.last_seq
    run("recommend", "u00001")
    with loaded.open_log() as log:
        assert log.last_seq == before


def test_recommend_for_somebody_new_has_no_history_to_go_by(project):
    said = run("recommend", "never-seen", "--trace").output
    (line,) = [line for line in said.splitlines() if line.split()[:2] == ["source", "ItemToItem"]]
    assert line.split()[2:4] == ["0", "0"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--surface", "house"], "--surface house: expected one of home"),
        (["--url", "http://127.0.0.1:9"], "expected a Shortlist server"),
        (["--url", "ftp://127.0.0.1"], "expected an http address"),
    ],
)
def test_what_cannot_be_recommended_is_said(project, arguments, said):
    assert said in run("recommend", "u00001", *arguments, status=2).output


def test_a_release_of_another_declaration_is_not_used(project):
    path = project / "app.py"
    path.write_text(path.read_text().replace("watch.watch_s > 20", "watch.watch_s > 25"))
    assert "expected a release of the declaration" in run("recommend", "u00001", status=2).output
