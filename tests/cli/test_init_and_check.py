"""A project starts with one file that runs; check prints what it says and whether the data fits it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.tiny import shortlist as run


@pytest.mark.parametrize("recipe", ["video", "kuairand", "movielens"])
def test_a_recipe_runs_as_it_is_written(folder, recipe):
    said = run("init", "--recipe", recipe).output
    assert "shortlist check" in said
    assert "shortlist train" in said
    checked = run("check").output
    assert checked.startswith(f"{recipe}  fingerprint ")
    assert 'surface("home")' in checked
    assert "log      none yet" in checked
    assert "release  none yet" in checked


def test_init_makes_the_folder(folder):
    assert "cd feed" in run("init", "feed").output
    assert (folder / "feed" / "app.py").is_file()


def test_init_never_overwrites(folder):
    Path("app.py").write_text("mine\n")
    assert "Nothing was written" in run("init", status=2).output
    assert Path("app.py").read_text() == "mine\n"


def test_check_tells_what_each_feature_is_for(folder):
    run("init")
    lines = {" ".join(line.split()) for line in run("check").output.splitlines()}
    assert "26 last(watch, by=user, n=50) ItemToItem" in lines
    assert "27 last(watch, by=user, n=500, window=30d) NotSeen" in lines
    assert "engaged (watch.watch_s > 20) follows 30m" in lines
    assert "segment = user.country" in lines
    assert "sums impression video 1d in 15m 1" in lines


def test_check_compares_with_the_log_and_the_release(project):
    checked = run("check").output
    assert "log      fits: 1" in checked
    assert " fits\n" in checked.partition("release  ")[2]


def test_check_says_that_a_release_is_of_another_declaration(project):
    path = project / "app.py"
    path.write_text(path.read_text().replace("watch.watch_s > 20", "watch.watch_s > 25"))
    checked = run("check").output
    assert "log      fits" in checked
    assert "was trained for another declaration" in checked


def test_check_refuses_a_field_of_another_type_than_in_the_log(project):
    path = project / "app.py"
    path.write_text(path.read_text().replace("watch_s=float", "watch_s=int"))
    assert (
        "watch.watch_s: expected float, as in the events already in the log" in run("check", status=2).output
    )
