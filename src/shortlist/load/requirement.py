"""Requirements as they are typed, `p99=10ms@200rps`, and whether a run met them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from shortlist.load.amounts import MILLISECONDS, RATE, SHARE, amount, ms_text, positive
from shortlist.load.errors import LoadError
from shortlist.load.report import Run, Verdict

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_SHARES = ("errors", "degraded")
_MEASURES = (*_QUANTILES, *_SHARES)
_FORM = re.compile(r"([a-z0-9.]+)=([^@]+)(?:@(.+))?")


@dataclass(frozen=True)
class Requirement:
    """A limit on what a run measures.

    A latency is of all requests: one that was refused, failed or timed out never came, so a server cannot
    meet a p99 by refusing every tenth. `errors` is the share of such requests, `degraded` the share of the
    answers that were degraded.

    Args:
        measure: p50, p90, p99, p99.9, max, errors or degraded.
        limit: milliseconds, or a share of 1.
        rate_rps: at which rate; None for whichever is driven.
        text: as it was typed.
    """

    measure: str
    limit: float
    rate_rps: float | None
    text: str

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Parse `p99=10ms`, `p99=10ms@200rps`, `errors=0.1%`.

        Raises:
            LoadError: when the text is none of these.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None or found[1] not in _MEASURES:
            raise LoadError(
                f"requirement {text!r}",
                expected=f"one of {', '.join(_MEASURES)}, then = and a limit, then perhaps @ and a rate",
                received=f"the measure {found[1]!r}" if found is not None else "another form",
                mend="As in p99=10ms@200rps, p50=3ms, errors=0.1%.",
            )
        thing = f"requirement {text!r}"
        if found[1] in _QUANTILES:
            limit = positive(thing, found[2], MILLISECONDS)
        else:
            limit = amount(thing, found[2], SHARE)
        rate_rps = None if found[3] is None else positive(thing, found[3], RATE)
        return cls(found[1], limit, rate_rps, text.strip())

    def judge(self, run: Run) -> Verdict:
        """Tell whether a run met it, and what it had instead."""
        if self.measure in _QUANTILES:
            value = run.requests.quantile(_QUANTILES[self.measure])
            shown = f"{self.measure} was {ms_text(value)} ms" if math.isfinite(value) else self._never(run)
        elif self.measure == "errors":
            value = run.requests.share_failed
            shown = f"{value:.2%} had no answer with 200"
        else:
            value = run.requests.share_degraded
            shown = f"{value:.2%} of the answers were degraded"
        shown += f" at {run.rate_rps:g} rps"
        is_met = run.requests.num > 0 and value <= self.limit
        if not is_met and run.is_generator_late:
            late_ms = ms_text(run.lateness.p99_ms or 0.0)
            shown += f" (the generator itself was late by {late_ms} ms at p99: the server may be better)"
        return Verdict(requirement=self.text, is_met=is_met, found=shown)

    def _never(self, run: Run) -> str:
        share = run.requests.share_failed
        return f"{self.measure} was never reached, with {share:.2%} of the requests without an answer of 200"
