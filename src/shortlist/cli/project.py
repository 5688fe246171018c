"""The project of the current folder: its declaration, and where its data lies."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.errors import UsageError
from shortlist.declare.app import App

if TYPE_CHECKING:
    from shortlist.log import SqliteLog
    from shortlist.releases import Registry

DECLARATION = Path("app.py")
DATA = Path(".shortlist")
_MODULE = "shortlist_project"

Declaration = Annotated[
    Path, typer.Option("--app", metavar="FILE", help="The declaration, a Python file with a variable app.")
]
Data = Annotated[
    Path, typer.Option("--data", metavar="FOLDER", help="Where the log, the releases and the state lie.")
]


@dataclass(frozen=True)
class Project:
    """A declaration, and the folder of its log, releases and state."""

    app: App
    data: Path

    @classmethod
    def load(cls, declaration: Path = DECLARATION, data: Path = DATA) -> Project:
        """Run the declaration's file.

        Raises:
            UsageError: when there is none, it does not run, or it declares no app.
        """
        return cls(load_app(declaration), data)

    @property
    def releases(self) -> Path:
        """The folder of the registry."""
        return self.data / "releases"

    @property
    def has_log(self) -> bool:
        """Whether anything was ever logged here."""
        return any((self.data / "log").glob("*"))

    def open_log(self, *, read_only: bool = True) -> SqliteLog:
        """Open the log with the declaration's schemas.

        Raises:
            UsageError: to read, when there is none.
            LogLocked: to write, while another process does.
            SchemaChanged: when the declaration no longer fits what is in the log.
        """
        from shortlist.features.schema import log_schemas
        from shortlist.log import LogMissing, SqliteLog

        try:
            return SqliteLog(self.data / "log", log_schemas(self.app), read_only=read_only)
        except LogMissing:
            raise UsageError(
                f"data {self.data}",
                expected="a log with history",
                received="none",
                mend="Bring some in: shortlist world, or shortlist import.",
            ) from None

    def registry(self) -> Registry:
        """Return the registry of the project's releases."""
        from shortlist.releases import Registry

        return Registry(self.releases)


def load_app(path: Path) -> App:
    """Run a declaration's file and return its `app`.

    Raises:
        UsageError: when there is no file, it does not run, or it declares no app.
    """
    if not path.is_file():
        raise UsageError(
            f"declaration {path}",
            expected="a Python file that declares an app",
            received="no file",
            mend="Make one: shortlist init --recipe video. Or name it: --app FILE.",
        )
    module = _run(path)
    app = getattr(module, "app", None)
    if not isinstance(app, App):
        others = [name for name, value in vars(module).items() if isinstance(value, App)]
        raise UsageError(
            f"declaration {path}",
            expected="a variable app that holds an sl.App",
            received=f"one called {others[0]}" if others else "none",
            mend='Write app = sl.App("video").',
        )
    return app


def _run(path: Path) -> ModuleType:
    module = ModuleType(_MODULE)
    module.__file__ = str(path)
    sys.modules[_MODULE] = module  # where dataclasses of the file look for their names
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except Exception as error:
        raise _DeclarationBroken(path, error) from error
    return module


class _DeclarationBroken(UsageError):
    """The declaration's file stopped with an error; the message says in which line."""

    def __init__(self, path: Path, error: Exception) -> None:
        is_syntax = isinstance(error, SyntaxError)
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"{path}, line {line}" if line is not None else str(path)
        is_ours = type(error).__module__.startswith("shortlist.")
        text = (error.msg if isinstance(error, SyntaxError) else str(error)) or "no message"
        said = (
            text
            if is_ours
            else f"{type(error).__name__}: {text}. "
            + (
                "Mend the line."
                if is_syntax
                else "The file is run as Python; mend the line, or run again with --debug."
            )
        )
        ValueError.__init__(self, f"{where}: {said}")
