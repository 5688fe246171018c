"""What the verbs print: tables, progress bars with their seconds, complaints."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import TaskID
    from rich.table import Table

_WIDTH_OF_A_PIPE = 140


def console(*, is_error: bool = False) -> Console:
    """Return where to print; a pipe is wide, so that tables stay whole."""
    from rich.console import Console

    is_terminal = (sys.stderr if is_error else sys.stdout).isatty()
    return Console(stderr=is_error, highlight=False, width=None if is_terminal else _WIDTH_OF_A_PIPE)


def complain(message: str) -> None:
    """Print what went wrong, to stderr."""
    from rich.text import Text

    printed = console(is_error=True)
    printed.print(Text.assemble(("shortlist: ", "bold red"), message), soft_wrap=True)


def say(*lines: str) -> None:
    """Print lines, with Rich's markup."""
    printed = console()
    for line in lines:
        printed.print(line, soft_wrap=True)


def table(*columns: str) -> Table:
    """Return an empty table in the style of all verbs; a column that begins with ">" is of numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        name = column.removeprefix(">")
        made.add_column(name, justify="right" if column != name else "left", overflow="fold")
    return made


def show(title: str, what: RenderableType) -> None:
    """Print something under its title."""
    printed = console()
    printed.print(title, style="bold", markup=False)
    printed.print(what)


def plain(text: object) -> str:
    """Escape text for Rich's markup."""
    from rich.markup import escape

    return escape(str(text))


class Steps:
    """Progress bars, one a step: how far, and how many seconds it took.

    A step begins when it is first told of and ends when the next one begins. On a pipe, where no bar
    can move, each step is a line when it has ended. `seconds` has them all afterwards.
    """

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self.seconds: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._note = ""
        self._current: str | None = None
        self._begun_s = 0.0
        self._console = console()
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[count]:>24}"),
            TextColumn("{task.fields[seconds]:>7}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.end()
        self._bars.stop()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Tell how far a step has come; a total of 0 says that nobody knows."""
        if step != self._current:
            self.end()
            self._current, self._begun_s = step, time.perf_counter()
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=None, count="", seconds="")
        count = f"{done:,} of {total:,}" if total > 1 else ""
        seconds = f"{self._elapsed_s():.1f} s"
        self._bars.update(
            self._tasks[step], total=total or None, completed=min(done, total), count=count, seconds=seconds
        )

    def of(self, step: str) -> Callable[[int, int], None]:
        """Return a callback for one step: it takes (done, total)."""
        return partial(self, step)

    def begin(self, step: str) -> None:
        """Begin a step that cannot tell how far it is."""
        self(step, 0, 0)

    def note(self, text: str) -> None:
        """Say something of the step under way in the place of its count; a pipe gets the last such note."""
        assert self._current is not None
        self._note = text
        self._bars.update(self._tasks[self._current], count=text)

    def end(self) -> None:
        """End the step under way."""
        if self._current is None:
            return
        step, self._current = self._current, None
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - self._begun_s
        text = f"{self.seconds[step]:.1f} s"
        self._bars.update(self._tasks[step], total=1, completed=1, seconds=text)
        if not self._console.is_terminal:
            self._console.print(f"  {step:<34} {text:>8}  {self._note}".rstrip(), markup=False)
        self._note = ""

    def _elapsed_s(self) -> float:
        assert self._current is not None
        return self.seconds.get(self._current, 0.0) + time.perf_counter() - self._begun_s
