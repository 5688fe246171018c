"""`shortlist init`: a project of one file that runs."""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.console import plain, say
from shortlist.cli.errors import UsageError
from shortlist.cli.project import DECLARATION

EXAMPLES = ("shortlist init --recipe video feed",)


class Recipe(StrEnum):
    """The declarations that come with Shortlist."""

    video = "video"
    kuairand = "kuairand"
    movielens = "movielens"


# What brings history in, for each recipe.
_HISTORY = {
    Recipe.video: ("shortlist world", "simulate a platform into the log"),
    Recipe.kuairand: ("shortlist import --recipe kuairand", "import the data set, from $SHORTLIST_DATA"),
    Recipe.movielens: ("shortlist import --recipe movielens", "import the data set, from $SHORTLIST_DATA"),
}


def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made when missing.")] = Path(),
    recipe: Annotated[Recipe, typer.Option(help="Which declaration to start from.")] = Recipe.video,
) -> None:
    """Start a project: write a declaration that runs as it is, and is yours to change.

    The whole project is one file, app.py. Nothing is ever overwritten.
    """
    path = folder / DECLARATION
    if path.exists():
        raise UsageError(
            path,
            expected="no such file yet",
            received="one",
            mend="Nothing was written. Name another folder, or move the file away.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(recipe_file(recipe).read_bytes())
    history, what = _HISTORY[recipe]
    steps = [
        ("shortlist check", "what was understood"),
        (history, what),
        ("shortlist train", "fit and publish"),
    ]
    change = [] if folder == Path() else [f"  [bold]cd {plain(folder)}[/]"]
    say(
        f"Wrote [bold]{plain(path)}[/]. Next:",
        *change,
        *(f"  [bold]{command:<37}[/] [dim]{why}[/]" for command, why in steps),
    )


def recipe_file(recipe: Recipe) -> Path:
    """Return where a recipe's declaration lies in the package."""
    return Path(str(files("shortlist.recipes") / recipe.value / DECLARATION.name))
