"""Every recipe, found by its folder: a declaration that stands alone and teaches."""

from __future__ import annotations

import ast
import pkgutil
import re
import runpy
import shutil
from importlib import import_module
from pathlib import Path

import pytest

import shortlist as sl
from shortlist import recipes
from shortlist.declare.features import Last

NAMES = [module.name for module in pkgutil.iter_modules(recipes.__path__)]


def folder(name: str) -> Path:
    return Path(import_module(f"shortlist.recipes.{name}").__path__[0])


def test_the_recipes_are_found():
    assert set(NAMES) >= {"video", "kuairand", "movielens"}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_in_one_line_what_it_is(name):
    doc = import_module(f"shortlist.recipes.{name}").__doc__
    assert doc.endswith(".")
    assert len(doc.splitlines()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_imports_nothing_but_shortlist(name):
    tree = ast.parse((folder(name) / "app.py").read_text())
    imports = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert imports == ["import shortlist as sl"]


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_runs_when_it_is_copied_elsewhere(name, tmp_path):
    copied = shutil.copy(folder(name) / "app.py", tmp_path / "app.py")
    app = runpy.run_path(str(copied))["app"]
    assert isinstance(app, sl.App)
    assert app.fingerprint() == import_module(f"shortlist.recipes.{name}.app").app.fingerprint()
    assert set(app.surfaces) == {"home"}


def test_the_video_feed_has_the_columns_of_a_small_production_ranker():
    features = import_module("shortlist.recipes.video.app").app.declared_features.values()
    assert 20 <= sum(not isinstance(feature, Last) for feature in features) <= 35


def test_no_counter_of_kuairand_is_read_anywhere():
    counter = re.compile(r"\b\w+_(cnt|num)\b|\bcounts\b|item_features|play_duration|play_progress|stay_")
    for file in sorted(folder("kuairand").glob("*.py")):
        code = ast.parse(file.read_text())
        code.body = code.body[1:]  # the docstring names the trap
        docs = {
            ast.get_docstring(node, clean=False)
            for node in ast.walk(code)
            if isinstance(node, ast.FunctionDef)
        }
        words = [
            node.value for node in ast.walk(code) if isinstance(node, ast.Constant) if node.value not in docs
        ]
        words += [node.attr for node in ast.walk(code) if isinstance(node, ast.Attribute)]
        assert [found for word in words for found in counter.findall(str(word))] == [], file.name
