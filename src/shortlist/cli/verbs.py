"""The verbs, in the order in which a newcomer meets them, and how their errors are shown."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from shortlist import __version__
from shortlist.cli import (
    backtest,
    check,
    demo,
    import_history,
    init,
    ladder,
    load,
    plan,
    recommend,
    releases,
    serve,
    train,
    world,
)
from shortlist.cli.console import complain

_DEBUG = "--debug"


class Verbs(TyperGroup):
    """Shows an error of Shortlist as what it is, a message that says what to mend."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept --debug anywhere: it is typed behind the command that just failed."""
        given = [argument for argument in args if argument != _DEBUG]
        return super().parse_args(ctx, [_DEBUG] * (len(given) < len(args)) + given)

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; its errors end in status 2 when the user can mend them, in 1 otherwise."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            is_ours = type(error).__module__.startswith("shortlist.")
            if ctx.params["debug"] or not (is_ours or isinstance(error, OSError)):
                raise
            complain(str(error))
            raise typer.Exit(2 if isinstance(error, ValueError) else 1) from error


_TOUR = """
Your own, on a simulated platform:

[bold]shortlist init --recipe video feed && cd feed[/]

[bold]shortlist check[/]    what was understood

[bold]shortlist world[/]    or shortlist import, for a history of your own

[bold]shortlist train[/]

[bold]shortlist serve[/]
"""

cli = typer.Typer(
    cls=Verbs,
    epilog=_TOUR,
    name="shortlist",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@cli.callback()
def shortlist(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show errors with their traceback.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From an event log to a ranked shortlist for every user, in milliseconds.

    You declare a product once, in app.py. A project is a folder with that file; its log, releases and
    snapshots lie in .shortlist/ beside it. See it run first: [bold]shortlist demo[/].
    """


_VERBS: dict[str, ModuleType] = {
    "demo": demo, "init": init, "check": check, "world": world, "import": import_history, "train": train,
    "ladder": ladder, "backtest": backtest, "serve": serve, "recommend": recommend,
    "load": load, "plan": plan,
}  # fmt: skip

for name, verb in _VERBS.items():
    examples = "\n\n".join(f"[bold]{example}[/]" for example in verb.EXAMPLES)
    cli.command(name, epilog=f"Example:\n\n{examples}")(verb.run)
cli.add_typer(releases.cli, name="releases")
