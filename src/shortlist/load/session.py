"""A whole session against one server: fixed rates, the search, the verdicts, and the report of it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from shortlist.load.connection import Address
from shortlist.load.errors import LoadError, ServerGone
from shortlist.load.machine import this_machine
from shortlist.load.measure import Load, Measure
from shortlist.load.report import FORMAT, Report, Run, Verdict
from shortlist.load.requests import Requests
from shortlist.load.requirement import Requirement
from shortlist.load.scrape import scrape
from shortlist.load.search import highest_rate
from shortlist.load.tally import Tally

DEFAULT_RPS = 100.0

Told = Callable[[str, float, float, Tally], None]
"""Called once a second: the name of the run, seconds since its start, seconds in all, that second."""


@dataclass(frozen=True)
class Asked:
    """What a session is for.

    Args:
        rate_rps: a rate to drive; None for those of the requirements, or 100 where they name none.
        required: judged at their own rates, or else at every fixed rate.
        sought: what the search holds; empty for no search.

    Raises:
        LoadError: for a requirement that no run would be judged by, or a limit of the search at a rate.
    """

    rate_rps: float | None = None
    required: tuple[Requirement, ...] = ()
    sought: tuple[Requirement, ...] = ()

    def __post_init__(self) -> None:
        for one in self.sought:
            if one.rate_rps is not None:
                raise LoadError(
                    f"--slo {one.text}",
                    expected="a limit alone",
                    received=f"one at {one.rate_rps:g} rps",
                    mend="The rate is what is searched for; leave it out.",
                )
        for one in self.required:
            if one.rate_rps is None and not self.rates:
                raise LoadError(
                    f"requirement {one.text!r}",
                    expected="a rate to judge it at",
                    received="a search alone",
                    mend=f"Write {one.text}@200rps.",
                )

    @property
    def rates(self) -> tuple[float, ...]:
        """The fixed rates to drive, from the lowest."""
        rates = {one.rate_rps for one in self.required if one.rate_rps is not None}
        if self.rate_rps is not None and not self.sought:
            rates.add(self.rate_rps)
        return tuple(sorted(rates)) or (() if self.sought else (DEFAULT_RPS,))


def run_session(
    address: Address,
    surface: str,
    slo_p99_ms: float,
    requests: Requests,
    load: Load,
    asked: Asked,
    told: Told | None = None,
) -> Report:
    """Drive what was asked for and report it; the catalogue and the index are the caller's to add.

    Raises:
        ServerGone: when the server does not answer, has no release, or swapped it meanwhile.
    """
    release = scrape(address).release
    if release is None:
        raise ServerGone(f"{address.url}: expected a release that serves, received none. Train one.")
    name = ""

    def tell(elapsed_s: float, second: Tally) -> None:
        if told is not None:
            told(name, elapsed_s, load.warm_up_s + load.duration_s, second)

    measure = Measure(address, requests, load, slo_p99_ms, tell)

    def run_at(rate_rps: float) -> Run:
        nonlocal name
        name = f"run {len(measure.runs) + 1}: {rate_rps:,.4g} rps"
        tell(0.0, Tally())
        return measure(rate_rps)

    fixed = {rate_rps: run_at(rate_rps) for rate_rps in asked.rates}
    found_rps = None
    if asked.sought:
        start_rps = asked.rate_rps or DEFAULT_RPS
        found_rps = highest_rate(lambda rate_rps: _holds(run_at(rate_rps), asked.sought), start_rps)
    served = scrape(address).release
    if served != release:
        raise ServerGone(
            f"release: expected {release[:12]} throughout, received {str(served)[:12]} in the end. "
            "The figures would be of two releases; run again."
        )
    return Report(
        format=FORMAT,
        made_at=datetime.now(UTC),
        surface=surface,
        release=release,
        slo_p99_ms=slo_p99_ms,
        machine=this_machine(address),
        catalogue={},
        index={},
        runs=measure.runs,
        found_rps=found_rps,
        sought=[one.text for one in asked.sought],
        verdicts=_verdicts(asked, fixed),
    )


def _holds(run: Run, sought: tuple[Requirement, ...]) -> bool:
    return all(one.judge(run).is_met for one in sought)


def _verdicts(asked: Asked, fixed: dict[float, Run]) -> list[Verdict]:
    return [
        one.judge(run)
        for one in asked.required
        for rate_rps, run in fixed.items()
        if one.rate_rps in (None, rate_rps)
    ]
